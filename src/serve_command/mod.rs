//! `p-8 CONFIG`: a server until a signal ends it, or another process takes its place.

use p8::{
    server::{Inherited, Server},
    Settings,
};
use sd_notify::NotifyState;

mod banner;
mod json;
mod logger;
mod service;
mod signals;
mod upgrade;

pub(crate) use logger::Logger;
pub(crate) use upgrade::{is_starter, run_starter};

use signals::{Signals, Wish};
use upgrade::Origin;

/// Serves until a signal, then drains; a second signal ends that at once.
pub(crate) async fn run(
    settings: Settings,
    logger: &'static Logger,
    inherited: Inherited,
) -> Result<(), p8::Error> {
    let origin = Origin::look();
    // Before the banner: whoever has read it may stop P-8 in good order.
    let mut signals = Signals::listen()?;
    let mut server = Server::start_with(settings, inherited).await?;
    server.on_reload(|settings| logger.set_filter(&settings.log));
    banner::print(&server);
    server.tell_ready();
    let _watchdog = service::ready();
    let why = serve(&server, &mut signals, &origin).await;
    if !matches!(why, End::Replaced) {
        service::tell(&[NotifyState::Stopping]);
    }
    log::info!("stopping: holds are ended, requests in flight finish");
    let ending = async {
        match why {
            End::Replaced => server.hand_over().await,
            End::Stopped | End::GivenUp => server.stop().await,
        }
    };
    tokio::select! {
        () = ending => {}
        () = signals.stop() => log::warn!("second signal: ending now"),
    }
    match why {
        End::GivenUp => Err(p8::Error::GivenUp),
        End::Stopped | End::Replaced => Ok(()),
    }
}

/// Why the process ends.
#[derive(Clone, Copy)]
enum End {
    /// A signal.
    Stopped,
    /// Another one has taken its place.
    Replaced,
    /// Too many handlers had to be replaced.
    GivenUp,
}

/// Follows the signals until the process is to end.
async fn serve(server: &Server, signals: &mut Signals, origin: &Origin) -> End {
    loop {
        let wish = tokio::select! {
            wish = signals.next() => wish,
            () = server.broker().given_up() => return End::GivenUp,
            () = server.broker().asked_to_stop() => Wish::Stop,
        };
        match wish {
            Wish::Stop => return End::Stopped,
            Wish::Reload => {
                service::reloading();
                // What came of it is in the log; P-8 serves, whatever it was.
                drop(server.reload(false));
                service::tell(&[NotifyState::Ready]);
            }
            Wish::Replace => {
                log::info!("a new process is started to take over");
                let replaced = tokio::select! {
                    replaced = origin.replace(server) => replaced,
                    () = signals.stop() => return End::Stopped,
                };
                match replaced {
                    Ok(pid) => {
                        service::tell(&[NotifyState::MainPid(pid)]);
                        log::info!(pid; "the new process serves in this one's place");
                        return End::Replaced;
                    }
                    Err(error) => {
                        log::error!(error:%; "no new process took over: this one goes on");
                    }
                }
            }
        }
    }
}
