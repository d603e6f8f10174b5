//! Prints a measurement's stream of events: `workload USERS EVENTS`, thirty days in ascending time, 256
//! bytes a line. For `.ci/soak`.

use std::io::Write as _;

use nightjar::generate::events_256;

fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(users)), Some(Ok(events))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: workload USERS EVENTS");
        std::process::exit(2);
    };
    let mut out = std::io::BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    for line in events_256(u32::try_from(users).unwrap_or(u32::MAX), events, 11) {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
