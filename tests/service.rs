//! P-8 as a service: what a service manager hears in its socket, and what is shipped beside the program.
//!
//! Source: sd_notify(3); `docs/operations.md`, as a service.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use crate::support::programs::{find_program, Program, TempDir, P8_BINARY};
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Config};

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    path: String,
    _folder: TempDir,
}

impl Manager {
    fn start() -> Manager {
        let folder = TempDir::new("notify");
        let path = folder.path().join("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Manager {
            socket,
            path: path.to_str().expect("text").to_owned(),
            _folder: folder,
        }
    }

    /// Starts P-8 as its service.
    #[track_caller]
    fn serve(&self, more: &[(&str, &str)]) -> Program {
        let told = [("NOTIFY_SOCKET", self.path.as_str())];
        Program::start(&config(), &[&told[..], more].concat())
    }

    /// The next datagram.
    #[track_caller]
    fn hears(&self) -> String {
        let mut datagram = [0; 4096];
        let length = self.socket.recv(&mut datagram).expect("a datagram");
        String::from_utf8(datagram[..length].to_vec()).expect("text")
    }

    /// The next datagram that is no sign of life.
    #[track_caller]
    fn hears_news(&self) -> String {
        loop {
            let heard = self.hears();
            if heard != "WATCHDOG=1\n" {
                return heard;
            }
        }
    }
}

fn config() -> String {
    let config = Config::new().control("reload_on_change = false");
    config.route_to("host = \"*\"", "{ test = true }").toml()
}

#[test]
fn a_service_manager_is_told_of_start_reload_and_stop() {
    let manager = Manager::start();
    let mut p8 = manager.serve(&[]);
    assert_eq!(manager.hears(), "READY=1\n");
    p8.signal("HUP");
    let reloading = manager.hears();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let time = time.and_then(|time| time.trim_end().parse::<u64>().ok());
    assert!(time.is_some_and(|time| time > 0), "{reloading:?}");
    assert_eq!(manager.hears(), "READY=1\n");
    wait_until(DEADLINE, "the reload", || {
        p8.log().contains("the configuration was read again")
    });
    p8.terminate();
    assert_eq!(manager.hears(), "STOPPING=1\n");
    assert_eq!(p8.exit_code(), Some(0));
}

#[test]
fn a_service_is_ready_again_after_a_reload_that_failed() {
    let manager = Manager::start();
    let p8 = manager.serve(&[]);
    assert_eq!(manager.hears(), "READY=1\n");
    fs::write(p8.config(), "[http]\nlisen = 1").expect("the file");
    p8.signal("HUP");
    assert!(manager.hears().starts_with("RELOADING=1\n"));
    assert_eq!(manager.hears(), "READY=1\n");
    assert!(p8.log().contains("[http] lisen: unknown key"));
}

#[test]
fn a_watched_service_gives_signs_of_life_twice_as_often_as_it_must() {
    let manager = Manager::start();
    let mut p8 = manager.serve(&[("WATCHDOG_USEC", "100000")]);
    assert_eq!(manager.hears(), "READY=1\n");
    let started = std::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(manager.hears(), "WATCHDOG=1\n");
    }
    // The first comes at once.
    assert!(started.elapsed().as_millis() >= 150, "not without a pause");
    p8.terminate();
    assert_eq!(manager.hears_news(), "STOPPING=1\n");
    assert_eq!(p8.exit_code(), Some(0));
}

#[test]
fn the_process_that_takes_over_is_named_and_watched_in_place_of_the_first() {
    let manager = Manager::start();
    // As systemd does, which knows the id of the process that it starts.
    let mut command = Command::new("sh");
    let script = "WATCHDOG_PID=$$ exec \"$0\" \"$1\"";
    command.args(["-c", script, P8_BINARY]);
    let environment = [
        ("NOTIFY_SOCKET", manager.path.as_str()),
        ("WATCHDOG_USEC", "2000000"),
    ];
    command.envs(environment);
    let mut p8 = Program::start_as(command, &config());
    assert_eq!(manager.hears(), "READY=1\n");
    assert_eq!(manager.hears(), "WATCHDOG=1\n");
    p8.signal("USR2");
    let mut heard = [manager.hears_news(), manager.hears_news()];
    heard.sort();
    assert_eq!(heard[1], "READY=1\n", "of the second process");
    let second = heard[0]
        .strip_prefix("MAINPID=")
        .expect("its id")
        .trim_end();
    let first = p8.running.0.id().to_string();
    assert_ne!(second, first);
    let status = fs::read_to_string(format!("/proc/{second}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let adopted = "systemd kills a service that is not its own child instead of stopping it";
    assert_ne!(parent.map(str::trim), Some(first.as_str()), "{adopted}");
    assert_eq!(p8.exit_code(), Some(0));
    let signs_of_first = "the first process pings no more, and does not say that the service stops";
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1\n", "{signs_of_first}");
    }
    let kill = Command::new("kill").arg(second).status();
    assert!(kill.expect("kill").success());
    assert_eq!(manager.hears_news(), "STOPPING=1\n");
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let manager = Manager::start();
    let p8 = manager.serve(&[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
    assert_eq!(manager.hears(), "READY=1\n");
    p8.terminate();
    assert_eq!(manager.hears(), "STOPPING=1\n");
}

#[test]
fn a_watchdog_that_leaves_no_time_does_not_stop_the_start() {
    let manager = Manager::start();
    let _p8 = manager.serve(&[("WATCHDOG_USEC", "0")]);
    assert_eq!(manager.hears(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1\n");
    }
}

#[test]
fn systemd_understands_the_units_that_are_shipped() {
    let Some(analyze) = find_program(&["systemd-analyze"]) else {
        return;
    };
    let folder = TempDir::new("units");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let units = ["p-8.service", "p-8.socket"].map(|name| {
        let unit = fs::read_to_string(shipped.join(name)).expect("it is shipped");
        // Where the program is here.
        folder.file(name, unit.replace("/usr/bin/p-8", P8_BINARY))
    });
    let verified = Command::new(analyze)
        .args(["verify", "--man=no"])
        .args(units)
        .output();
    let verified = verified.expect("systemd-analyze");
    let said = String::from_utf8_lossy(&verified.stderr);
    let of_ours = said.lines().filter(|line| line.contains("p-8"));
    assert_eq!(of_ours.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// What the program prints.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(P8_BINARY).args(arguments).output();
    let output = output.expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), told.as_ref()),
        (Some(0), ""),
        "{arguments:?}"
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_man_pages_name_every_command_and_option() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH p-8 1"), "{page}");
    for command in ["publish", "import", "check", "man", "completions"] {
        let name = format!("p\\-8\\-{command}(1)");
        assert!(page.contains(&name), "{name} in {page}");
        let own = printed(&["man", command]);
        assert!(own.contains(&format!(".TH p-8-{command} 1")), "{own}");
    }
    let page = printed(&["man", "publish"]);
    for option in ["\\-\\-prev\\-id", "\\-\\-hint", "\\-\\-bearer", "GRIP_URL"] {
        assert!(page.contains(option), "{option} in {page}");
    }
    let unknown = Command::new(P8_BINARY).args(["man", "nothing"]).output();
    assert_eq!(unknown.expect("it starts").status.code(), Some(64));
}

#[test]
fn shells_complete_commands_and_options() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for word in ["publish", "import", "check", "completions", "prev-id"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    let folder = TempDir::new("completions");
    let script = folder.file("p-8.bash", printed(&["completions", "bash"]));
    let asked = "source \"$0\" && COMP_WORDS=(p-8 publish --prev) COMP_CWORD=2 \
                 && _p-8 p-8 --prev publish && echo \"${COMPREPLY[@]}\"";
    let answer = Command::new("bash")
        .args(["-c", asked])
        .arg(script)
        .output();
    let answer = answer.expect("bash");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "--prev-id\n");
}

#[test]
fn the_package_has_a_man_page_for_every_command_and_names_the_version() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let folder = TempDir::new("describe");
    let described = Command::new(shipped.join("describe"))
        .arg(P8_BINARY)
        .arg(folder.path())
        .status();
    assert!(described.expect("it starts").success());
    let help = printed(&["--help"]);
    let commands = help.split("Commands:").nth(1).expect("a list");
    let commands = commands.split("\n\n").next().unwrap_or_default();
    let names = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let mut pages: Vec<String> = names.map(|name| format!("p-8-{name}.1")).collect();
    assert!(pages.contains(&"p-8-publish.1".to_owned()), "{help}");
    pages.push("p-8.1".to_owned());
    pages.sort();
    let listed = fs::read_dir(folder.path().join("man")).expect("the pages");
    let mut found: Vec<String> = listed
        .map(|page| {
            page.expect("a page")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    found.sort();
    assert_eq!(found, pages);
    let changelog = fs::read_to_string(shipped.join("changelog")).expect("it is shipped");
    let version = concat!("p-8 (", env!("CARGO_PKG_VERSION"), "-");
    assert!(changelog.starts_with(version), "{changelog}");
}
