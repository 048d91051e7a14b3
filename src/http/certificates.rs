//! The certificates that clients are shown: loaded from files, looked up for each handshake, and read
//! again when a file has changed.
//!
//! ```text
//! handshake ─▶ ForPort ─▶ Certificates ─┬─ folder: NAME, _.REST, default_PORT, default
//!                 a look at the files,  └─ tls_cert, tls_key
//!                 once a second at most
//! ```
//!
//! Files that cannot be used stop the start; later they leave the certificate that was there, and the
//! log says why. Not its concern: what a certificate is (`engine::certificate`).

use std::{
    collections::BTreeMap,
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, TryLockError},
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::engine::{
    certificate::{self, FileError, FileFault},
    tls_options::{CertificateFiles, TlsOptions},
};

/// How long a look at the files is good for.
const LOOK: Duration = Duration::from_secs(1);

/// All certificates that clients can be shown.
pub struct Certificates {
    shown: ArcSwap<Shown>,
    /// When the files were looked at last; locked while they are.
    looked: Mutex<Instant>,
}

/// What the files said when they were looked at.
#[derive(Default)]
struct Shown {
    options: TlsOptions,
    by_name: BTreeMap<String, Entry>,
    default: Option<Entry>,
    /// What was wrong with the folder.
    complaint: Option<String>,
}

#[derive(Clone)]
struct Entry {
    seen: Seen,
    certificate: Option<Arc<CertifiedKey>>,
}

/// Tells whether a pair of files has changed.
type Seen = [Option<(SystemTime, u64, u64)>; 2];

impl Certificates {
    /// Loads every certificate.
    ///
    /// **Errors**: the first file that cannot be used.
    pub fn load(options: &TlsOptions) -> Result<Arc<Self>, FileError> {
        let (shown, mut errors) = Shown::default().look(options);
        match errors.is_empty() {
            true => Ok(Arc::new(Self {
                shown: ArcSwap::from_pointee(shown),
                looked: Mutex::new(Instant::now()),
            })),
            false => Err(errors.swap_remove(0)),
        }
    }

    /// Looks at the files now, maybe at other ones than before; returns those that cannot be used, whose
    /// old certificates stay.
    pub fn reload(&self, options: &TlsOptions) -> Vec<FileError> {
        let mut looked = self.looked.lock().unwrap_or_else(|poisoned| {
            self.looked.clear_poison();
            poisoned.into_inner()
        });
        *looked = Instant::now();
        self.look(options)
    }

    /// Finds the certificate for a client.
    pub fn find(&self, server_name: Option<&str>, port: u16) -> Option<Arc<CertifiedKey>> {
        self.refresh();
        let shown = self.shown.load();
        let of_name = |name| shown.by_name.get(&name)?.certificate.clone();
        let default = || shown.default.as_ref()?.certificate.clone();
        certificate::candidates(server_name, port)
            .find_map(of_name)
            .or_else(default)
    }

    /// Looks at the files if the last look is old, and nobody else does.
    fn refresh(&self) {
        let mut looked = match self.looked.try_lock() {
            Ok(looked) => looked,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if looked.elapsed() >= LOOK {
            let options = self.shown.load().options.clone();
            self.look(&options);
            *looked = Instant::now();
        }
    }

    fn look(&self, options: &TlsOptions) -> Vec<FileError> {
        let before = self.shown.load();
        let (shown, errors) = before.look(options);
        for error in &errors {
            log::error!(file:% = error.file.display(), code = error.why.code(), error:% = error.why;
                "a certificate cannot be used: what was shown before still is");
        }
        self.shown.store(Arc::new(shown));
        errors
    }
}

impl Shown {
    /// Looks at the files; what has not changed is kept, and what cannot be used leaves what was there.
    fn look(&self, options: &TlsOptions) -> (Self, Vec<FileError>) {
        let mut errors = Vec::new();
        let mut entry = |files: &CertificateFiles, before: Option<&Entry>| {
            let (entry, error) = Entry::look(files, before);
            errors.extend(error);
            entry
        };
        let default = options.default.as_ref();
        let default = default.map(|files| entry(files, self.default.as_ref()));
        let mut by_name = BTreeMap::new();
        let mut fault = None;
        match options.folder.as_deref().map(folder) {
            None => {}
            Some(Ok(pairs)) => {
                for (name, files) in pairs {
                    let found = entry(&files, self.by_name.get(&name));
                    by_name.insert(name, found);
                }
            }
            Some(Err(error)) => {
                by_name = self.by_name.clone();
                fault = Some(error);
            }
        }
        let complaint = fault.as_ref().map(ToString::to_string);
        // Once, not each second.
        errors.extend(fault.filter(|_| complaint != self.complaint));
        let shown = Self {
            options: options.clone(),
            by_name,
            default,
            complaint,
        };
        (shown, errors)
    }
}

impl Entry {
    fn look(files: &CertificateFiles, before: Option<&Entry>) -> (Entry, Option<FileError>) {
        let seen = [&files.chain, &files.key].map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len(), found.ino()))
        });
        if let Some(before) = before.filter(|before| before.seen == seen) {
            return (before.clone(), None);
        }
        let (certificate, error) = match certificate::load(files, |file| fs::read(file)) {
            Ok(certificate) => (Some(Arc::new(certificate)), None),
            Err(error) => (before.and_then(|old| old.certificate.clone()), Some(error)),
        };
        if before.is_some() && error.is_none() {
            log::info!(file:% = files.chain.display(); "a certificate has changed: read again");
        }
        (Entry { seen, certificate }, error)
    }
}

/// Lists the certificates of a folder.
fn folder(folder: &Path) -> Result<BTreeMap<String, CertificateFiles>, FileError> {
    let at = |why: FileFault| FileError {
        file: folder.to_owned(),
        why,
    };
    let found = fs::read_dir(folder).map_err(|error| at(error.into()))?;
    let names = found.filter_map(|file| file.ok()?.file_name().into_string().ok());
    certificate::pairs(folder, names).ok_or_else(|| at(FileFault::TooMany))
}

/// The certificates as the clients of one port see them.
pub struct ForPort {
    /// All of them.
    pub certificates: Arc<Certificates>,
    /// The port.
    pub port: u16,
}

impl fmt::Debug for ForPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForPort").field("port", &self.port).finish()
    }
}

impl ResolvesServerCert for ForPort {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certificates.find(hello.server_name(), self.port)
    }
}
