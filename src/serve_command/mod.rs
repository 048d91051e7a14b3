//! `p-8 CONFIG`: a server until a signal ends it, or another process takes its place.

use p8::{
    server::{Inherited, Server},
    Settings,
};

mod banner;
mod logger;
mod signals;
mod upgrade;

pub(crate) use logger::Logger;

use signals::{Signals, Wish};
use upgrade::Origin;

/// Serves until a signal, then drains; a second signal ends that at once.
pub(crate) async fn run(
    settings: Settings,
    logger: &'static Logger,
    inherited: Inherited,
) -> Result<(), p8::Error> {
    let origin = Origin::look()?;
    // Before the banner: whoever has read it may stop P-8 in good order.
    let mut signals = Signals::listen()?;
    let mut server = Server::start_with(settings, inherited).await?;
    server.on_reload(|settings| logger.set_filter(&settings.log));
    banner::print(&server);
    server.tell_ready();
    let is_replaced = serve(&server, &mut signals, &origin).await;
    log::info!("stopping: holds are ended, requests in flight finish");
    let ending = async {
        match is_replaced {
            true => server.hand_over().await,
            false => server.stop().await,
        }
    };
    tokio::select! {
        () = ending => {}
        () = signals.stop() => log::warn!("second signal: ending now"),
    }
    Ok(())
}

/// Follows the signals until one ends this process; tells whether another has taken its place.
async fn serve(server: &Server, signals: &mut Signals, origin: &Origin) -> bool {
    loop {
        match signals.next().await {
            Wish::Stop => return false,
            // What came of it is in the log.
            Wish::Reload => drop(server.reload(false)),
            Wish::Replace => {
                log::info!("a new process is started to take over");
                let replaced = tokio::select! {
                    replaced = origin.replace(server) => replaced,
                    () = signals.stop() => return false,
                };
                match replaced {
                    Ok(pid) => {
                        log::info!(pid; "the new process serves in this one's place");
                        return true;
                    }
                    Err(error) => {
                        log::error!(error:%; "no new process took over: this one goes on");
                    }
                }
            }
        }
    }
}
