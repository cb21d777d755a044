//! Rows that many write at the same time, in the table itself, through the SDK. Those of the list of
//! workstreams end as the rule in `protocol` says, and no raw line is counted for nobody.
#![cfg(feature = "aws")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use ralph_lambdas::{
    aws::Connections,
    ports::{StreamOwner, Table, Workstreams},
};
use ralph_protocol::index::{WorkstreamInfo, WorkstreamState, merge};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Rows by their sort key, and how often a condition did not hold.
#[derive(Default)]
struct Rows {
    items: BTreeMap<String, Value>,
    conflicts: usize,
}

fn condition_failed() -> (u16, Value) {
    let code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    (400, json!({"__type": code, "message": "The conditional request failed"}))
}

/// The row's key: its sort key, or the partition where that says nothing.
fn key(item: &Value) -> String {
    let text = |name: &str| item[name]["S"].as_str().expect("a key").to_owned();
    if text("sk") == "META" { text("pk") } else { text("sk") }
}

/// An update with the conditions and clauses of those that count raw lines.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html>
fn update(rows: &mut Rows, body: &Value) -> (u16, Value) {
    let mut item = rows.items.get(&key(&body["Key"])).unwrap_or(&body["Key"]).clone();
    let name = |short: &str| body["ExpressionAttributeNames"][short].as_str().expect(short);
    let value = |short: &str| &body["ExpressionAttributeValues"][short];
    let number = |value: &Value| value["N"].as_str().map_or(0, |n| n.parse::<u64>().unwrap());
    let holds = match body["ConditionExpression"].as_str() {
        None => true,
        Some("attribute_not_exists(#workstream)") => item["workstream"].is_null(),
        Some("attribute_not_exists(#workstream) OR #expires <= :now") => {
            let expired = number(&item["expiresAt"]) <= number(value(":now"));
            item["workstream"].is_null() || expired
        }
        Some("#raw = :raw") => item["raw"] == *value(":raw"),
        other => panic!("another condition: {other:?}"),
    };
    if !holds {
        rows.conflicts += 1;
        return condition_failed();
    }
    let expression = body["UpdateExpression"].as_str().expect("an expression");
    let (sets, add) = expression.split_once(" ADD ").unwrap_or((expression, ""));
    for set in sets.strip_prefix("SET ").into_iter().flat_map(|sets| sets.split(", #")) {
        let (short, new) = set.trim_start_matches('#').split_once(" = ").expect("a clause");
        let attribute = name(&format!("#{short}"));
        match new.strip_prefix("if_not_exists(").map(|rest| rest.split_once(", ").unwrap().1) {
            Some(_) if !item[attribute].is_null() => {}
            Some(new) => item[attribute] = value(new.trim_end_matches(')')).clone(),
            None => item[attribute] = value(new).clone(),
        }
    }
    if let Some((short, more)) = add.split_once(' ') {
        let sum = number(&item[name(short)]) + number(value(more));
        item[name(short)] = json!({"N": sum.to_string()});
    }
    if let Some(short) = expression.strip_prefix("REMOVE ") {
        item.as_object_mut().unwrap().remove(name(short));
    }
    rows.items.insert(key(&item), item.clone());
    (200, json!({"Attributes": item}))
}

/// What these tests need of DynamoDB, and no more: the two conditions of the list, pages, and updates.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html>
fn answer(rows: &mut Rows, call: &str, body: &Value) -> (u16, Value) {
    match call {
        "GetItem" => {
            assert_eq!(body["ConsistentRead"], true);
            let item = rows.items.get(&key(&body["Key"]));
            (200, item.map_or_else(|| json!({}), |item| json!({"Item": item})))
        }
        "PutItem" => {
            let held = rows.items.get(&key(&body["Item"]));
            let holds = match body["ConditionExpression"].as_str() {
                Some("attribute_not_exists(#pk)") => held.is_none(),
                Some("#info = :read") => {
                    let read = &body["ExpressionAttributeValues"][":read"];
                    held.is_some_and(|held| held["info"] == *read)
                }
                other => panic!("another condition: {other:?}"),
            };
            if !holds {
                rows.conflicts += 1;
                return condition_failed();
            }
            rows.items.insert(key(&body["Item"]), body["Item"].clone());
            (200, json!({}))
        }
        "UpdateItem" => update(rows, body),
        "Query" => {
            // Two rows in a page.
            let after =
                body["ExclusiveStartKey"].as_object().map(|_| key(&body["ExclusiveStartKey"]));
            let later = rows.items.iter().filter(|(key, _)| Some(*key) > after.as_ref());
            let page: Vec<_> = later.take(2).map(|(_, item)| item.clone()).collect();
            let mut answer = json!({"Items": page});
            if let [_, last] = &page[..] {
                answer["LastEvaluatedKey"] = json!({"pk": last["pk"], "sk": last["sk"]});
            }
            (200, answer)
        }
        other => panic!("another call: {other}"),
    }
}

async fn serve(stream: TcpStream, rows: Arc<Mutex<Rows>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut call, mut length, mut line) = (String::new(), 0, String::new());
        while stream.read_line(&mut line).await.ok()? > 2 {
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.parse().ok()?,
                    "x-amz-target" => call = value.rsplit('.').next()?.to_owned(),
                    _ => {}
                }
            }
            line.clear();
        }
        if call.is_empty() {
            return None;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        // Reads and writes of several writers interleave.
        tokio::time::sleep(Duration::from_millis(u64::from(body[length / 2] % 4))).await;
        let body = serde_json::from_slice(&body).ok()?;
        let (status, answer) = answer(&mut *rows.lock().ok()?, &call, &body);
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).await.ok()?;
    }
}

async fn table() -> (Connections, Arc<Mutex<Rows>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let rows = Arc::<Mutex<Rows>>::default();
    let served = rows.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, served.clone()));
        }
    });
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    (Connections::new(&config, "ralph-dev-connections".to_owned()), rows)
}

fn report(workstream: &str, attempt: u32, state: WorkstreamState, usd: f64) -> WorkstreamInfo {
    let run = format!("01ARZ3NDEKTSV4RRFFQ69G5FAV-{attempt:04}").parse().unwrap();
    WorkstreamInfo {
        spent_usd: Some(usd),
        ..WorkstreamInfo::new(workstream.parse().unwrap(), run, state, 9)
    }
}

#[tokio::test]
async fn writers_at_the_same_time_lose_nothing_and_end_in_the_same_row() {
    let reports: Vec<_> = [
        (1, WorkstreamState::Starting, 0.0),
        (1, WorkstreamState::Running, 0.5),
        (1, WorkstreamState::Ending, 2.5),
        (2, WorkstreamState::Starting, 1.0),
        (2, WorkstreamState::Complete, 2.0),
    ]
    .map(|(attempt, state, usd)| report("docs", attempt, state, usd))
    .to_vec();
    let expected = reports.iter().cloned().reduce(merge).unwrap();
    assert_eq!((expected.state, expected.spent_usd), (WorkstreamState::Complete, Some(2.5)));
    let mut conflicts = 0;
    for round in 0..20 {
        let (table, rows) = table().await;
        let mut order = reports.clone();
        order.rotate_left(round % reports.len());
        let writes = order.iter().map(|report| table.record_workstream(report, 4_000_000_000));
        futures::future::try_join_all(writes).await.unwrap();
        // Once more, late: nothing goes back.
        table.record_workstream(&reports[round % reports.len()], 4_000_000_000).await.unwrap();
        let row = table.workstream(&"docs".parse().unwrap(), 0).await.unwrap();
        assert_eq!(row.as_ref(), Some(&expected), "{round}");
        conflicts += rows.lock().unwrap().conflicts;
    }
    assert!(conflicts > 0, "nobody ever met another");
}

#[tokio::test]
async fn the_list_is_read_page_by_page_without_what_has_expired() {
    let (table, rows) = table().await;
    for (name, expires_at) in [("a", 9), ("b", 20), ("c", 20), ("d", 20), ("e", 9)] {
        let report = report(name, 1, WorkstreamState::Running, 0.0);
        table.record_workstream(&report, expires_at).await.unwrap();
    }
    // A row of a later version, which this one cannot read.
    rows.lock().unwrap().items.get_mut("WS#c").unwrap()["info"] = json!({"S": "{}"});
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (page, last) = table.workstreams(after.as_ref(), 10).await.unwrap();
        found.extend(page.into_iter().map(|info| info.workstream.to_string()));
        if last.is_none() {
            break;
        }
        after = last;
    }
    assert_eq!(found, ["b", "d"]);
    for (name, there) in [("a", false), ("b", true), ("c", false), ("z", false)] {
        let row = table.workstream(&name.parse().unwrap(), 10).await.unwrap();
        assert_eq!(row.is_some(), there, "{name}");
    }
}

const EXPIRES_AT: u64 = 4_000_000_000;

fn owner(attempt: u32) -> StreamOwner {
    let run = format!("01ARZ3NDEKTSV4RRFFQ69G5FAV-{attempt:04}").parse().unwrap();
    StreamOwner { workstream: "docs".parse().unwrap(), run }
}

/// The count in a run's row, and the row's stream.
async fn counted(table: &Connections, owner: &StreamOwner) -> Option<(Option<u64>, String)> {
    let row = table.run(&owner.workstream, &owner.run, 0).await.unwrap()?;
    Some((row.info.raw, row.stream.unwrap()))
}

#[tokio::test]
async fn raw_lines_are_counted_while_others_claim_their_stream() {
    for _ in 0..20 {
        let (table, rows) = table().await;
        let owner = owner(1);
        // A delivery that finds an owner counts for its run.
        let deliver = |raw| {
            let (table, owner) = (table.clone(), owner.clone());
            async move {
                let found = table.count_unclaimed("s", raw, 0, EXPIRES_AT).await.unwrap();
                if let Some(found) = found {
                    assert_eq!(found, owner);
                    table.count_raw("s", &owner, raw, EXPIRES_AT).await.unwrap();
                }
            }
        };
        deliver(100).await;
        assert_eq!(counted(&table, &owner).await, None);
        let claim = || async { table.claim_stream("s", &owner, 0, EXPIRES_AT).await.unwrap() };
        let (.., first) = tokio::join!(deliver(1), deliver(2), deliver(3), claim());
        assert_eq!(first, owner);
        deliver(10).await;
        assert_eq!(counted(&table, &owner).await, Some((Some(116), "s".to_owned())));
        assert_eq!(rows.lock().unwrap().items["STREAM#s"]["raw"], Value::Null);
    }
}

#[tokio::test]
async fn the_first_claim_stands_and_what_it_left_uncounted_is_counted_for_it() {
    let (table, rows) = table().await;
    let [first, second] = [owner(1), owner(2)];
    table.count_unclaimed("s", 5, 0, EXPIRES_AT).await.unwrap();
    assert_eq!(table.claim_stream("s", &first, 0, EXPIRES_AT).await.unwrap(), first);
    // As if the function had ended between the two writes.
    let left = json!({"N": "7"});
    rows.lock().unwrap().items.get_mut("STREAM#s").unwrap()["raw"] = left;
    assert_eq!(table.claim_stream("s", &second, 0, EXPIRES_AT).await.unwrap(), first);
    assert_eq!(table.claim_stream("s", &second, 0, EXPIRES_AT).await.unwrap(), first);
    assert_eq!(counted(&table, &first).await, Some((Some(12), "s".to_owned())));
    assert_eq!(counted(&table, &second).await, None);
}
