//! `just test-kills`: twenty kills at random moments. Nothing may be left, and the next start in the
//! same folder works: it is the next round's.

use std::{
    fs::{self, File, Permissions},
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cloud::{ralph, root, stderr, stdout},
    processes::{self, Process, until},
};

const SIGNALS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::TERM, Signal::KILL];

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Local,
    Demo,
    Server,
    Worker,
    SupervisorOfServer,
    SupervisorOfWorker,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// After one of the lines of a start.
    Start(usize),
    /// While Terraform makes the environment.
    Apply,
    /// When a task has a folder.
    Task,
    /// When its worker runs.
    Worker,
    /// When its agent works, with a process in a session of its own.
    Work,
    /// When it ends anyway.
    Stopping,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    victim: Victim,
    /// Who runs the local cloud.
    demo: bool,
    signal: Signal,
    moment: Moment,
}

/// The rounds of a seed: each of four victims with each signal, and four more.
fn rounds(random: &mut Random) -> Vec<Round> {
    let mut rounds = Vec::new();
    for signal in SIGNALS {
        for victim in [Victim::Local, Victim::Demo, Victim::Server, Victim::Worker] {
            let moments = match victim {
                Victim::Local | Victim::Demo => &[
                    Moment::Start(random.below(3)),
                    Moment::Task,
                    Moment::Worker,
                    Moment::Work,
                    Moment::Stopping,
                ][..],
                Victim::Server => &[Moment::Task, Moment::Worker, Moment::Work],
                _ => &[Moment::Worker, Moment::Work],
            };
            let demo = match victim {
                Victim::Local => false,
                Victim::Demo => true,
                _ => random.below(2) == 1,
            };
            let moment = moments[random.below(moments.len())];
            rounds.push(Round { victim, demo, signal, moment });
        }
    }
    let mut more = |victim, demo, moment| {
        rounds.push(Round { victim, demo, signal: Signal::KILL, moment });
    };
    more(Victim::Local, false, Moment::Apply);
    more(Victim::Demo, true, Moment::Start(random.below(3)));
    more(Victim::SupervisorOfServer, random.below(2) == 1, Moment::Work);
    more(Victim::SupervisorOfWorker, random.below(2) == 1, Moment::Work);
    for last in (1..rounds.len()).rev() {
        rounds.swap(last, random.below(last + 1));
    }
    rounds
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).expect("64 bits") % end
    }
}

/// Writes a file, leaves a process that no group knows, and works until it is asked to end.
const AGENT: &str = "#!/bin/sh\necho half > half.txt\nsetsid sleep 600 &\nexec sleep 600\n";

/// What all rounds share.
struct Ground {
    folder: PathBuf,
    repository: String,
}

impl Ground {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kills");
        let _ = Command::new("rm").arg("-rf").arg(folder.join("repository")).status();
        let repository = folder.join("repository");
        fs::create_dir_all(&repository).expect("made");
        fs::write(repository.join("PROMPT.md"), "Do the next task.\n").expect("written");
        let progress = "# Progress\n\n## Status: IN PROGRESS\n\n- [ ] say hello\n";
        fs::write(repository.join("PROGRESS.md"), progress).expect("written");
        let git = |arguments: &[&str]| {
            let output = Command::new("git").args(arguments).current_dir(&repository).output();
            let output = output.expect("git runs");
            assert!(output.status.success(), "{}", stderr(&output));
        };
        git(&["init", "--quiet", "--initial-branch=main"]);
        git(&["add", "."]);
        let author = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
        git(&[&author[..], &["-c", "commit.gpgsign=false", "commit", "-qm", "Begin"]].concat());
        // The real agent's name: the demo lets it work as `--agent claude`.
        fs::create_dir_all(folder.join("bin")).expect("made");
        let agent = folder.join("bin/claude");
        fs::write(&agent, AGENT).expect("written");
        fs::set_permissions(&agent, Permissions::from_mode(0o755)).expect("set");
        Self { repository: format!("file://{}", repository.display()), folder }
    }

    fn scratch(&self, demo: bool) -> PathBuf {
        if demo { root().join(".tools/demo") } else { self.folder.join("local") }
    }

    fn start(&self, demo: bool, more: &[&str]) -> Running {
        let scratch = self.scratch(demo);
        let words: &[&str] = match demo {
            true => &["demo", "--agent", "claude", "--quiet"],
            false => &["local", "--no-viewer", "--scratch"],
        };
        let path = std::env::var("PATH").expect("a PATH");
        let mut command = ralph(words);
        command
            .args((!demo).then_some(&scratch))
            .args(more)
            .env("PATH", format!("{}:{path}", self.folder.join("bin").display()))
            .env("ANTHROPIC_API_KEY", "none")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("ralph starts");
        let (sender, lines) = channel();
        read(child.stdout.take().expect("a pipe"), sender.clone());
        read(child.stderr.take().expect("a pipe"), sender);
        Running { child, scratch, lines, demo }
    }

    /// Starts a workstream in a local cloud; a demo does that itself.
    fn order(&self, scratch: &Path) {
        let agents = scratch.join("tasks/agents");
        fs::create_dir_all(&agents).expect("made");
        fs::write(
            agents.join("kills"),
            self.folder.join("bin/claude").as_os_str().as_encoded_bytes(),
        )
        .expect("written");
        let output = ralph(&["run", "kills", &self.repository, "--scratch"])
            .arg(scratch)
            .output()
            .expect("ralph runs");
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

fn read(pipe: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            eprintln!("    {line}");
            let _ = to.send(line);
        }
    });
}

/// `ralph local` or a demo.
struct Running {
    child: Child,
    scratch: PathBuf,
    lines: Receiver<String>,
    demo: bool,
}

impl Running {
    /// Waits for a line.
    fn line(&self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no line `{what}`"));
            if line.contains(what) {
                return;
            }
        }
    }

    fn send(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    fn ends(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the end", 120, || child.try_wait().expect("known"))
    }

    fn below(&self) -> Vec<Process> {
        processes::below(self.child.id())
    }

    fn find(&self, is: impl Fn(&Process) -> bool) -> Option<Process> {
        self.below().into_iter().find(is)
    }

    fn server(&self) -> Option<Process> {
        self.find(|each| each.command.contains("cli/tools/local_cloud") && !each.is_supervisor())
    }

    /// The worker: of its processes the one that is supervised.
    fn worker(&self) -> Option<Process> {
        let is_supervised = |each: &Process| each.parent().is_some_and(|p| p.is_supervisor());
        self.find(|each| each.command.ends_with("debug/ralph-loop-cloud") && is_supervised(each))
    }

    /// The agent and the process that it left in another session.
    fn agent(&self) -> Option<Vec<Process>> {
        let is_agent = |each: &Process| each.command == "sleep 600";
        let agent: Vec<_> = self.below().into_iter().filter(is_agent).collect();
        (agent.len() >= 2).then_some(agent)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a test that failed has not waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port that a server's command line names.
fn port(server: &Process) -> u16 {
    let mut words = server.command.split(' ').skip_while(|word| *word != "--port");
    words.nth(1).and_then(|port| port.parse().ok()).expect("a port")
}

/// The names of a start's steps, in the order in which they end when all is there already.
const STEPS: [&str; 3] = ["worker and functions", "local cloud installed", "restored"];

fn play(ground: &Ground, round: Round) {
    let Round { victim, demo, signal, moment } = round;
    // With another base nothing is restored, and nothing kept is lost.
    let base = ["--management-base", "http://127.0.0.1:1"];
    let more = if moment == Moment::Apply { &base[..] } else { &[] };
    let mut running = ground.start(demo, more);
    match moment {
        Moment::Start(step) => running.line(STEPS[step]),
        Moment::Apply => {
            let log = running.scratch.join("apply.log");
            until("an apply", 300, || {
                fs::read_to_string(&log).is_ok_and(|text| text.contains(": Creating")).then_some(())
            });
        }
        Moment::Task | Moment::Worker | Moment::Work | Moment::Stopping => {
            match demo {
                true => running.line("restored"),
                false => {
                    running.line("ready");
                    ground.order(&running.scratch);
                }
            }
            let tasks = running.scratch.join("tasks");
            until("a task", 60, || {
                let tasks = fs::read_dir(&tasks).ok()?.flatten();
                tasks.into_iter().find(|task| task.file_name() != "agents")
            });
        }
    }
    match moment {
        Moment::Worker => drop(until("the worker", 60, || running.worker())),
        Moment::Work | Moment::Stopping => drop(until("the agent", 60, || running.agent())),
        _ => {}
    }
    if moment == Moment::Stopping {
        running.send(Signal::TERM);
        running.line("stopping");
    }

    let before = running.below();
    let server = running.server();
    let port = server.as_ref().map(port);
    let killed_at = Instant::now();
    match victim {
        Victim::Local | Victim::Demo => {
            running.send(signal);
            let status = running.ends();
            eprintln!("  ended after {:.1} s: {status}", killed_at.elapsed().as_secs_f64());
            assert!(signal == Signal::KILL || matches!(status.code(), Some(0 | 1)), "{status}");
        }
        Victim::Server | Victim::SupervisorOfServer => {
            let mut killed = server.expect("a server");
            if victim == Victim::SupervisorOfServer {
                killed = killed.parent().expect("a supervisor");
            }
            killed.send(signal);
            running.line("the local cloud has ended");
            let said = killed_at.elapsed();
            eprintln!("  said after {:.1} s", said.as_secs_f64());
            // Within 5 s, unless the machine is busy.
            assert!(said < Duration::from_secs(30), "{said:?}");
            running.line("error: the local cloud ended");
            assert_eq!(running.ends().code(), Some(1));
        }
        Victim::Worker | Victim::SupervisorOfWorker => {
            let first = until("the worker", 60, || running.worker());
            let killed = match victim {
                Victim::Worker => first.clone(),
                _ => first.parent().expect("a supervisor"),
            };
            killed.send(signal);
            until("the worker's end", 120, || (!first.runs()).then_some(()));
            let second = until("the next attempt", 120, || {
                running.worker().filter(|worker| worker.pid != first.pid)
            });
            eprintln!("  again after {:.1} s", killed_at.elapsed().as_secs_f64());
            let left: Vec<_> =
                before.iter().filter(|each| each.command == "sleep 600" && each.runs()).collect();
            assert!(left.is_empty(), "the first attempt's agent: {left:#?}");
            until("its agent", 120, || running.agent());
            assert!(second.runs());
            stop(&running.scratch, "stopped");
            let code = running.ends().code();
            assert_eq!(code, Some(i32::from(demo)));
        }
    }

    processes::none_of(&running.scratch);
    let left: Vec<_> = before.into_iter().filter(Process::runs).collect();
    assert!(left.is_empty(), "{left:#?}");
    if let Some(port) = port {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "somebody listens on {port}");
        TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    }
    let mark = File::open(running.scratch.join(".ralph-scratch")).expect("a mark");
    mark.try_lock().expect("nobody holds the folder");
    assert!(!running.demo || !running.scratch.join("cloud.json").exists());
}

fn stop(scratch: &Path, said: &str) {
    let output = ralph(&["local", "--stop", "--scratch"]).arg(scratch).output().expect("runs");
    assert_eq!(stdout(&output).trim(), said, "{}", stderr(&output));
}

#[test]
#[ignore = "minutes: `just test-kills`"]
fn twenty_kills_leave_nothing_behind_and_the_next_start_works() {
    let seed = std::env::var("RALPH_KILLS_SEED").ok().map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs(),
        |text| text.parse().expect("RALPH_KILLS_SEED is a number"),
    );
    println!("RALPH_KILLS_SEED={seed}");
    // A seed of 0 would stay 0.
    let mut random = Random((seed ^ 0x5eed_0fa0_175a_11ed) | 1);
    let ground = Ground::new();
    // From now on there is an environment to restore.
    let mut first = ground.start(false, &[]);
    first.line("ready");
    first.send(Signal::INT);
    first.ends();
    let start = Instant::now();
    for (number, round) in rounds(&mut random).into_iter().enumerate() {
        println!("{:4.0} s  {:2}: {round:?}", start.elapsed().as_secs_f64(), number + 1);
        play(&ground, round);
    }

    // A whole workstream, where others were killed.
    let mut local = ground.start(false, &[]);
    local.line("ready");
    let output =
        ralph(&["run", "whole", &ground.repository, "--scripted", "--follow", "--scratch"])
            .arg(&local.scratch)
            .output()
            .expect("ralph runs");
    assert_eq!(output.status.code(), Some(0), "{}\n{}", stdout(&output), stderr(&output));
    stop(&local.scratch, "stopped");
    assert_eq!(local.ends().code(), Some(0));
    stop(&local.scratch, "nothing ran");
    processes::none_of(&local.scratch);
    let demo = ralph(&["demo", "--quiet"]).output().expect("ralph runs");
    assert_eq!(demo.status.code(), Some(0), "{}\n{}", stdout(&demo), stderr(&demo));
    processes::none_of(&ground.scratch(true));
    println!("{:4.0} s  all", start.elapsed().as_secs_f64());
}
