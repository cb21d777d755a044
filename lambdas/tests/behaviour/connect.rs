use ralph_lambdas::{
    connect::connect, disconnect::disconnect, ports::Unavailable, request::Response,
};

use crate::memory::{Lines, MemoryTable, START, request};

#[tokio::test(start_paused = true)]
async fn connecting_twice_leaves_one_row_that_ends_with_the_connection() {
    let (table, lines) = (MemoryTable::default(), Lines::default());
    for _ in 0..2 {
        let answer = connect(&request("c=", "docs,api", None), &table, lines.invocation()).await;
        assert_eq!(answer, Ok(Response::OK));
    }
    let rows = table.connections.borrow();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows["c="].user.as_str(), rows["c="].scope.as_str()), ("ada", "docs,api"));
    assert_eq!(rows["c="].expires_at, START / 1000 + 7_800);
}

#[tokio::test(start_paused = true)]
async fn without_a_scope_nobody_gets_in() {
    let (table, lines) = (MemoryTable::default(), Lines::default());
    let mut none = request("c=", "x", None);
    (none.user, none.scope) = (None, None);
    for request in [none, request("c=", "", None), request("c=", "../x", None)] {
        let answer = connect(&request, &table, lines.invocation()).await;
        assert_eq!(answer, Ok(Response::FORBIDDEN));
    }
    assert!(table.connections.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_down_refuses_the_handshake() {
    let (table, lines) = (MemoryTable::default(), Lines::default());
    table.down.set(true);
    let answer = connect(&request("c=", "docs", None), &table, lines.invocation()).await;
    assert!(matches!(answer, Err(Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn disconnecting_leaves_nothing_and_can_be_repeated() {
    let (table, lines) = (MemoryTable::default(), Lines::default());
    let _ = connect(&request("c=", "docs", None), &table, lines.invocation()).await;
    table.follow("c=", "docs");
    table.follow("other=", "docs");
    for _ in 0..2 {
        let answer = disconnect(&request("c=", "docs", None), &table, lines.invocation()).await;
        assert_eq!(answer, Ok(Response::OK));
    }
    assert!(table.connections.borrow().is_empty());
    assert_eq!(table.subscriptions.borrow().len(), 1, "another connection's stays");
}
