//! Ctrl-C and SIGTERM: a flag that long work looks at, so that it stops at a clean place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// A flag that is set by the first Ctrl-C or SIGTERM. A second one ends the process at once.
pub fn flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    let (tell, ready) = std::sync::mpsc::sync_channel(1);
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let interrupt = signal(SignalKind::interrupt());
            let terminate = signal(SignalKind::terminate());
            let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
                return;
            };
            let _ = tell.send(());
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if set.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
            }
        });
    };
    // Without the thread Ctrl-C ends the process as usual: nothing is lost, only less tidy.
    if std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .is_ok()
    {
        // An end without a word: the thread has given up.
        let _ = ready.recv();
    }
    stop
}
