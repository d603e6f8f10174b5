use super::*;
use crate::grpc::tests::Running;
use crate::store::alerts::tests::{alert, muted};
use clap::FromArgMatches;
use nightjar_detectors::alert::Alert;
use nightjar_detectors::incident::Incident;

fn args(line: &[&str]) -> WatchArgs {
    let command = WatchArgs::augment_args(clap::Command::new("watch"));
    let words = ["watch"].iter().chain(line);
    WatchArgs::from_arg_matches(&command.get_matches_from(words)).unwrap()
}

/// Lines go to whoever waits for them.
struct Lines(tokio::sync::mpsc::UnboundedSender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0.send(text).map_err(|_| ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// `--once` prints what there is, in the two forms, and knows where to resume.
#[tokio::test]
async fn once_prints_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    service
        .publish(vec![alert("a", 1), alert("b", 2), muted(alert("c", 3))])
        .await;
    let run = async |line: &[&str]| {
        let args = args(&[&["--connect", &service.address, "--once"], line].concat());
        let mut watching = Watching::new(&args, Vec::new());
        watching.run().await.unwrap();
        (String::from_utf8(watching.out).unwrap(), watching.cursor)
    };
    let (table, cursor) = run(&[]).await;
    assert_eq!((table.lines().count(), cursor), (2, Some(3)));
    assert!(table.starts_with("high      2026-03-02"), "{table}");
    let (table, _) = run(&["--muted", "--from", "2"]).await;
    assert!(
        table.ends_with("(muted: repeat)\n") && table.lines().count() == 1,
        "{table}"
    );
    let (json, _) = run(&["--json", "--from", "1"]).await;
    let read: Alert = serde_json::from_str(json.trim_end()).unwrap();
    assert_eq!(
        read,
        Alert {
            cursor: 2,
            ..alert("b", 2)
        }
    );
    let (table, cursor) = run(&["--incidents"]).await;
    assert_eq!((table.lines().count(), cursor), (1, Some(3)), "{table}");
    let (json, _) = run(&["--incidents", "--json"]).await;
    let incident: Incident = serde_json::from_str(json.trim_end()).unwrap();
    assert_eq!((incident.story.len(), incident.cursor), (3, 3));
    service.stop().await;
}

/// The service restarts while somebody watches: each alert is printed once, in order.
#[tokio::test]
async fn a_restart_of_the_service_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    service.publish(vec![alert("a", 1)]).await;
    let (port, store) = (service.port(), service.store.clone());
    let args = args(&["--connect", &service.address, "--from", "0", "--json"]);
    let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let mut watching = Watching::new(&args, Lines(send));
    let story = async {
        let mut text = String::new();
        while !text.contains('\n') {
            text += &lines.recv().await.unwrap();
        }
        service.stop().await;
        let service = Running::with(store, port, Default::default()).await;
        service.publish(vec![alert("a", 1), alert("b", 2)]).await;
        while text.lines().count() < 2 || !text.ends_with('\n') {
            text += &lines.recv().await.unwrap();
        }
        drop(lines);
        service.publish(vec![alert("c", 3)]).await;
        (text, service)
    };
    let (ended, (text, service)) = tokio::join!(watching.run(), story);
    // It ended because nobody read any more.
    ended.unwrap();
    let ids: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Alert>(line).unwrap().id)
        .collect();
    assert_eq!(ids, ["a", "b"]);
    service.stop().await;
}

/// At the start a wrong address or a misspelt filter is an error, not something to wait for.
#[tokio::test]
async fn what_waiting_does_not_cure_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let address = service.address.clone();
    let refused = args(&["--connect", &address, "--detector", "nonsense"]);
    let error = Watching::new(&refused, Vec::new()).run().await.unwrap_err();
    assert!(error.to_string().contains("unknown detector"), "{error}");
    service.stop().await;
    let gone = args(&["--connect", &address]);
    let error = Watching::new(&gone, Vec::new()).run().await.unwrap_err();
    assert!(
        error.to_string().contains("no alert service answers"),
        "{error}"
    );
}
