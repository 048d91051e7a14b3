//! The watch on the configuration's file: it is read again once it has changed and then been quiet.
//!
//! ```text
//! folder ─ event ─▶ quiet for 0.3 s, or 1.5 s at most ─▶ another file than before? ─▶ reload
//! ```
//!
//! Folders are watched, not the file: editors put a new one in its place. Where that cannot be, the
//! file is looked at once a second.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix::clock::{sleep, timeout, Instant};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::reload::Reloader;
use crate::actors::task::Task;

/// How long it must have been quiet.
const QUIET: Duration = Duration::from_millis(300);

/// How long it is waited for that.
const QUIET_BY: Duration = Duration::from_millis(1_500);

/// How often the file is looked at without any event: some file systems have none.
const LOOK: Duration = Duration::from_secs(1);

/// How long events are gathered.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells one state of a file from another.
type Stamp = Option<(i64, i64, u64, u64)>;

/// Reads the file again whenever it has changed, until dropped.
pub(super) struct Watch {
    _task: Option<Task>,
}

impl Watch {
    /// Watches the file that the settings came from, if there is one.
    pub(super) fn start(reloader: Arc<Reloader>) -> Option<Watch> {
        let file = reloader.file()?.clone();
        let seen = stamp(&file);
        let changed = Arc::<Notify>::default();
        let watcher = watch(&file, changed.clone());
        if let Err(error) = &watcher {
            log::warn!(error:%; "the configuration's folder cannot be watched: its file is looked at once a second");
        }
        let following = async move {
            follow(&file, seen, &changed, &reloader).await;
            drop(watcher);
        };
        Some(Watch {
            _task: Task::spawn(following),
        })
    }
}

fn watch(file: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if !event.is_ok_and(|event| event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    for folder in folders(file) {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Lists the folder of a file, and that of the file that it may be a link to.
fn folders(file: &Path) -> Vec<PathBuf> {
    let folder = |file: &Path| match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders = vec![folder(file)];
    folders.extend(fs::canonicalize(file).ok().map(|real| folder(&real)));
    folders.dedup();
    folders
}

async fn follow(file: &Path, mut seen: Stamp, changed: &Notify, reloader: &Reloader) {
    loop {
        if timeout(LOOK, changed.notified()).await.is_ok() {
            // Whatever else goes on in its folder costs one look for each of these.
            sleep(PAUSE).await;
        }
        if stamp(file) == seen {
            continue;
        }
        seen = settled(file).await;
        let is_wanted = reloader.current().control.reload_on_change;
        if is_wanted {
            // What came of it is in the log.
            let _ = reloader.reload(false, "file");
        }
    }
}

/// Waits until the file stays as it is, and returns how that is.
async fn settled(file: &Path) -> Stamp {
    let latest = Instant::now() + QUIET_BY;
    let mut seen = stamp(file);
    loop {
        sleep(QUIET).await;
        let now = stamp(file);
        let is_quiet = now == seen && now.is_some();
        if is_quiet || Instant::now() >= latest {
            return now;
        }
        seen = now;
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = fs::metadata(file).ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
}
