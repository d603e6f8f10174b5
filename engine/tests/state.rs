//! The state folder in operation: other versions, copies, damage, full disks, two who want it.
//!
//! Where the machine allows no file system of its own (`unshare`, `mount`), the stories that need one say so
//! and pass; the same is then shown on SQLite's side by the tests beside the code.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;
#[path = "state/stage.rs"]
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Once;

use common::{Folder, Running, done, nightjar, run, until};
use nightjar::grpc::client::Client;
use nightjar::store::alerts::{AlertReader, AlertStore, Filter};
use nightjar::store::state::StateStore;
use nightjar::store::verify::inspect;
use nightjar_proto::v1 as pb;
use nightjar_proto::v1::engine_service_client::EngineServiceClient;
use stage::{Stage, alone};

/// The files of this format that every later version must read: `NIGHTJAR_BLESS=1` writes them anew, which
/// is right only as long as no release has written such files.
fn fixture() -> &'static Path {
    static BLESSED: Once = Once::new();
    let fixture = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/state/v1"
    ));
    BLESSED.call_once(|| {
        if std::env::var_os("NIGHTJAR_BLESS").is_some_and(|value| value == "1") {
            Stage::generated().bless(fixture);
        }
    });
    fixture
}

/// A folder that version 1 wrote is taken up, and ends with the alerts of one backtest of everything.
#[test]
fn files_of_version_1_are_taken_up() {
    let stage = Stage::stored(fixture());
    run(["state", "verify", &stage.state()]).ended(0);
    let alerts = || {
        AlertReader::open(Path::new(&stage.state()))
            .unwrap()
            .all()
            .unwrap()
            .len()
    };
    let before = alerts();
    let expected = std::fs::read_to_string(fixture().join("digest")).unwrap();
    assert_eq!(stage.run_once(&stage.state()).digest(), expected.trim());
    assert!(
        0 < before && before < alerts(),
        "nothing fired, so nothing is proven"
    );
}

/// A copy made while a service is at work is whole; a service goes on from it, and the alerts are those of
/// one backtest; what was in its place is kept.
#[test]
fn a_copy_of_a_running_service_is_as_good_as_the_folder() {
    let stage = Stage::generated();
    let expected = stage.backtest_all();
    stage.train();
    stage.produce();
    let (state, backup) = (stage.state(), stage.at("backup"));
    let mut service = Running::start(stage.run_command(&state));
    service.line_with("reading partition=");
    let id = service.id().to_string();
    let held = run(["state", "verify", &state]).ended(0).out();
    assert!(held.contains(&format!("in use by process {id}")), "{held}");
    assert!(
        held.contains("off_hours_login") && held.ends_with("whole\n"),
        "{held}"
    );
    let line = run(["state", "backup", &state, &backup]).ended(0).out();
    assert!(
        line.starts_with(&format!("{backup}: ")) && line.ends_with("whole\n"),
        "{line}"
    );
    let again = run(["state", "backup", &state, &backup]).ended(1).err();
    assert!(
        again.contains("is not empty; name a folder that does not exist yet"),
        "{again}"
    );
    for args in [&["--force"][..], &[]] {
        let refused = run([&["state", "restore", &backup, &state][..], args].concat());
        let refused = refused.ended(1).err();
        assert!(
            refused.contains(&format!("in use by process {id}; stop it")),
            "{refused}"
        );
    }
    service.stop("KILL");

    let refused = run(["state", "restore", &backup, &state]).ended(1).err();
    assert!(
        refused.contains("with --force it is kept under another name"),
        "{refused}"
    );
    let told = run(["state", "restore", &backup, &state, "--force"])
        .ended(0)
        .out();
    let aside = format!("{state}.before-1");
    assert!(
        told.contains(&format!("what was there is in {aside}\n")),
        "{told}"
    );
    assert!(StateStore::path(Path::new(&aside)).exists());
    let audit = run(["ledger", "audit", "--state", &state, "--json"]);
    assert!(audit.ended(0).out().contains("state restore"));
    assert_eq!(stage.run_once(&state).digest(), expected);
    let json = run(["state", "verify", &state, "--json"]).ended(0).out();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["problems"].as_array().unwrap().len(), 0);
    assert_eq!(
        report["partitions"].as_array().unwrap().len(),
        stage::SOURCES.len()
    );
    assert!(0 < report["alerts"]["alerts"].as_u64().unwrap());
}

/// Whichever page of whichever file was lost, `verify` tells, `run` does not go on from it, and no backup
/// of it gets a name.
#[test]
fn no_lost_page_goes_unnoticed() {
    let stage = Stage::stored(fixture());
    let whole = PathBuf::from(stage.state());
    assert_eq!(inspect(&whole).unwrap().problems, [""; 0]);
    let lost = Folder::new();
    let other = |path: &Path| lost.path().join(path.file_name().unwrap());
    let (state, alerts) = (StateStore::path(&whole), AlertStore::path(&whole));
    for (broken, sound) in [(&state, &alerts), (&alerts, &state)] {
        std::fs::copy(sound, other(sound)).unwrap();
        let bytes = std::fs::read(broken).unwrap();
        for page in 0..bytes.len() / 4096 {
            let mut bytes = bytes.clone();
            for byte in &mut bytes[page * 4096..][..4096] {
                *byte ^= 0x5a;
            }
            std::fs::write(other(broken), bytes).unwrap();
            let problems = inspect(lost.path()).unwrap().problems;
            assert!(!problems.is_empty(), "page {page} of {}", broken.display());
        }
    }
}

/// What is damaged is said, with what is not and what to do, by everyone who meets it.
#[test]
fn damage_is_said_where_it_is_met() {
    let stage = Stage::stored(fixture());
    stage.start_broker();
    let folder = PathBuf::from(stage.state());
    let backup = stage.at("backup");
    run(["state", "backup", &stage.state(), &backup]).ended(0);
    let damage = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 8192 * 4096;
        bytes[middle..].fill(0xa5);
        std::fs::write(path, bytes).unwrap();
    };
    damage(&StateStore::path(&folder));
    let refused = done(stage.run_command(&stage.state())).ended(1).err();
    for words in [
        "the alerts are whole, `nightjar alerts --state ",
        "state.db is damaged",
        "`nightjar state verify` says how far, `nightjar state restore` brings back a backup",
    ] {
        assert!(refused.contains(words), "{refused}");
    }
    let told = run(["state", "verify", &stage.state()]).ended(1).out();
    assert!(
        told.contains("\nWRONG\n") && told.contains("alerts.db is whole"),
        "{told}"
    );
    let spread = stage.at("spread");
    run(["state", "backup", &stage.state(), &spread]).ended(1);
    run(["state", "restore", &stage.state(), &spread]).ended(1);
    assert!(!Path::new(&spread).exists());
    assert!(
        !run(["alerts", "--state", &stage.state(), "--muted"])
            .ended(0)
            .out()
            .is_empty()
    );

    damage(&AlertStore::path(&folder));
    let refused = done(stage.run_command(&stage.state())).ended(1).err();
    assert!(
        refused.contains("alerts.db holds a damaged page; `nightjar state verify` says"),
        "{refused}"
    );
    run(["state", "restore", &backup, &stage.state(), "--force"]).ended(0);
    run(["state", "verify", &stage.state()]).ended(0);
}

/// One sentence, whatever it is about the folder.
#[test]
fn a_folder_that_cannot_be_had_is_said_so() {
    let stage = Stage::stored(fixture());
    stage.start_broker();
    let mut service = Running::start(stage.run_command(&stage.state()));
    let id = service.id();
    service.line_with("alerts on http://");
    let refused = done(stage.run_command(&stage.state())).ended(1).err();
    let sentence = format!("is in use by process {id}; stop it or use another folder\n");
    assert!(refused.ends_with(&sentence), "{refused}");
    service.stop("TERM").ended(0);
    let below_a_file = format!("{}/directory.csv/state", stage.at(""));
    let refused = done(stage.run_command(&below_a_file)).ended(1).err();
    assert!(
        refused.contains("; name a folder that this user may write to"),
        "{refused}"
    );
    let nowhere = run(["state", "verify", &stage.at("nowhere")])
        .ended(1)
        .err();
    assert!(
        nowhere.contains("state.db does not exist; give the folder"),
        "{nowhere}"
    );
}

/// A read-only disk: `run` says so in one sentence, a backup on it can be looked through and restored.
#[test]
fn a_read_only_disk_is_said_so() {
    let stage = Stage::stored(fixture());
    stage.start_broker();
    let (disk, backup) = (stage.at("disk"), stage.at("backup"));
    std::fs::create_dir(&disk).unwrap();
    run(["state", "backup", &stage.state(), &backup]).ended(0);
    let set_up = format!(
        "mount -t tmpfs none {disk} && cp -r {backup} {disk}/state && mount -o remount,ro {disk}"
    );
    let state = format!("{disk}/state");
    let Some(command) = alone(&set_up, &stage.run_command(&state)) else {
        return;
    };
    let refused = done(command).ended(1).err();
    assert!(
        refused.contains("/disk/state; name a folder that this user may write to"),
        "{refused}"
    );
    let restored = stage.at("restored");
    for command in [
        nightjar(["state", "verify", &state]),
        nightjar(["alerts", "--state", &state]),
        nightjar(["state", "restore", &state, &restored]),
    ] {
        done(alone(&set_up, &command).unwrap()).ended(0);
    }
    run(["state", "verify", &restored]).ended(0);
}

/// A full disk stops the reading, not the serving; it is said once and in the status; when there is room,
/// everything goes on and nothing is missing.
#[test]
fn a_full_disk_is_waited_for() {
    let stage = Stage::generated();
    let expected = stage.backtest_all();
    stage.train();
    stage.start_broker();
    let disk = stage.at("disk");
    std::fs::create_dir(&disk).unwrap();
    let state = format!("{disk}/state");
    let set_up = format!(
        "mount -t tmpfs -o size=64m none {disk} && cp -r {} {state}",
        stage.state()
    );
    let Some(command) = alone(&set_up, &stage.run_command(&state)) else {
        return;
    };
    let mut service = Running::start(command);
    let address = service.address();
    service.line_with("reading partition=");
    // The service's file system, as it sees it.
    let inside = PathBuf::from(format!("/proc/{}/root{disk}", service.id()));
    let ballast = inside.join("ballast");
    let fill = || {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&ballast)
            .unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    };
    fill();
    stage.produce();
    until("the disk is full for everyone", || {
        fill();
        trouble(&address).is_some()
    });
    let line = service.line_with("cannot be stored, reading waits until they can");
    assert!(line.contains("check the space on its disk"), "{line}");
    let served = block_on(async {
        let client = Client::connect(&address).await.unwrap();
        client.list(Filter::default()).await.unwrap().len()
    });
    assert!(0 < served, "it serves what it has");
    std::fs::remove_file(&ballast).unwrap();
    service.line_with("are stored again, reading goes on");
    until("the trouble is over", || trouble(&address).is_none());
    let backup = stage.at("backup");
    // The backup sees the service's file system, and goes to the one that stays.
    let mut within = std::process::Command::new("nsenter");
    within.args(["-m", "-t", &service.id().to_string()]).args([
        env!("CARGO_BIN_EXE_nightjar"),
        "state",
        "backup",
        &state,
        &backup,
    ]);
    done(within).ended(0);
    let err = service.stop("TERM").ended(0).err();
    assert_eq!(
        err.matches("checkpoints cannot be stored").count(),
        err.matches("checkpoints are stored again").count()
    );
    assert_eq!(stage.run_once(&backup).digest(), expected);
    assert!(
        served
            <= AlertReader::open(Path::new(&backup))
                .unwrap()
                .all()
                .unwrap()
                .len()
    );
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// What the status says of trouble.
fn trouble(address: &str) -> Option<String> {
    block_on(async {
        let mut engine = EngineServiceClient::connect(address.to_owned())
            .await
            .unwrap();
        let status = engine.get_status(pb::GetStatusRequest {}).await.unwrap();
        status.into_inner().trouble
    })
}
