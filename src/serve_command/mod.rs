//! `p-8 CONFIG`: a server until a signal ends it.

use p8::{Server, Settings};

mod banner;
mod logger;
mod signals;

pub(crate) use logger::Logger;

use signals::{Signals, Wish};

/// Serves until a signal, then drains; a second signal ends that at once.
pub(crate) async fn run(settings: Settings, logger: &'static Logger) -> Result<(), p8::Error> {
    // Before the banner: whoever has read it may stop P-8 in good order.
    let mut signals = Signals::listen()?;
    let server = Server::start(settings).await?;
    server.on_reload(|settings| logger.set_filter(&settings.log));
    banner::print(&server);
    loop {
        match signals.next().await {
            Wish::Stop => break,
            // What came of it is in the log.
            Wish::Reload => drop(server.reload(false)),
        }
    }
    log::info!("stopping: holds are ended, requests in flight finish");
    tokio::select! {
        () = server.stop() => {}
        () = signals.stop() => log::warn!("second signal: ending now"),
    }
    Ok(())
}
