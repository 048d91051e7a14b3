//! Other programs that a test starts: the real `p-8`, nginx, Chromium, a Python helper.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::wait::{wait_until, DEADLINE};

/// A child process that is ended when the test is done with it.
pub struct Running(pub Child);

impl Running {
    /// Resident memory in bytes.
    #[track_caller]
    pub fn resident_bytes(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("a process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The program itself.
pub const P8_BINARY: &str = env!("CARGO_BIN_EXE_p-8");

/// The program, running, with what its banner says.
pub struct Program {
    pub running: Running,
    pub banner: String,
    pub clients: SocketAddr,
    pub control: SocketAddr,
    _output: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

/// The file that the program reads.
const CONFIG: &str = "p-8.toml";

/// The file that the program's log goes to.
const LOG: &str = "p-8.log";

impl Program {
    /// Starts it with a configuration of one route, and reads the banner, whose last line names
    /// that route.
    #[track_caller]
    pub fn start(config: &str, environment: &[(&str, &str)]) -> Program {
        let mut command = Command::new(P8_BINARY);
        command.envs(environment.iter().copied());
        Program::start_as(command, config)
    }

    /// Starts it by a command whose last argument is the path of the configuration.
    #[track_caller]
    pub fn start_as(mut command: Command, config: &str) -> Program {
        let folder = TempDir::new("program");
        command
            .arg(folder.file(CONFIG, config))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join(LOG)).expect("a file"));
        let mut running = Running(command.spawn().expect("P-8 starts"));
        let mut output = BufReader::new(running.0.stdout.take().expect("its output")).lines();
        let mut banner = String::new();
        while !banner.contains(" -> ") {
            let Some(line) = output.next() else {
                panic!("it ended after {banner:?}")
            };
            banner.push_str(&line.expect("text"));
            banner.push('\n');
        }
        let (clients, control) = (address(&banner, "clients"), address(&banner, "admin"));
        Program {
            running,
            banner,
            clients,
            control,
            _output: output,
            folder,
        }
    }

    /// What it has logged so far.
    #[track_caller]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).expect("its log is UTF-8")
    }

    /// Sends it SIGTERM.
    #[track_caller]
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal, named without `SIG`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let id = self.running.0.id().to_string();
        let kill = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(kill.expect("kill").success());
    }

    /// The path of its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join(CONFIG)
    }

    /// Waits until it has ended, and gives its exit code.
    #[track_caller]
    pub fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until(DEADLINE, "its end", || {
            status = self.running.0.try_wait().expect("a child");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

/// The address in the line of the banner that begins with that word.
#[track_caller]
fn address(banner: &str, word: &str) -> SocketAddr {
    let line = banner
        .lines()
        .find(|line| line.trim_start().starts_with(word));
    let url = line
        .and_then(|line| line.split("http://").nth(1))
        .expect("a line with an address");
    url.split('/')
        .next()
        .unwrap_or_default()
        .parse()
        .expect("an address")
}

/// An address that was free a moment ago, for servers that take no port 0.
#[track_caller]
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// A folder of its own that goes away with the test.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> TempDir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let path = env::temp_dir().join(format!("p8-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        TempDir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into the folder and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Finds a program in PATH or the usual folders. Without it a test may be skipped, with a line on
/// stderr, but not where `CI=true`: there it fails.
#[track_caller]
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
    let found = folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        let missing = names.join(" or ");
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "{missing} is not installed"
        );
        eprintln!("SKIPPED: {missing} is not installed; install it to run this test");
    }
    found
}
