//! NVIDIA GPUs: the driver, what it says of them, who holds their memory.

use crate::child::{Answer, ask, one_line};
use crate::interpreter::Interpreter;
use crate::paste;
use crate::surroundings::Surroundings;
use dyno_model::{Bytes, Finding};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// It answers in 0.1 s where the driver stays loaded, and in up to 8 s where each call loads
/// it (no persistence mode, 8 GPUs). On sick machines it hangs in the kernel for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// Less than this held is what the driver and a display have for themselves.
const HELD: u64 = 512 << 20;

const ASKED: &str =
    "--query-gpu=index,name,driver_version,memory.total,memory.used,mig.mode.current,compute_mode";
const APPS: &str = "--query-compute-apps=pid,used_memory,name";
const FORMAT: &str = "--format=csv,noheader,nounits";

/// What is known of the GPUs.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// NVIDIA's display controllers on the PCI bus.
    devices: usize,
    /// `/dev/nvidia0` and so on.
    nodes: usize,
    /// The version of the loaded driver.
    driver: Option<String>,
    smi: Option<PathBuf>,
    /// What it says of each GPU.
    told: Option<Answer>,
    /// What it says of processes.
    apps: Option<Answer>,
    /// The CUDA that the driver takes.
    cuda: Option<(u64, u64)>,
    /// The major CUDA that the Python's packages are built for, by the package.
    built_for: Option<(u64, String)>,
    is_container: bool,
}

impl Facts {
    pub(crate) fn look(around: &Surroundings, python: Option<&Interpreter>) -> Self {
        let driver = fs::read_to_string("/proc/driver/nvidia/version").ok();
        let nodes = nodes(Path::new("/dev"));
        let smi = around.program("nvidia-smi");
        // Where there is no GPU it has nothing to tell.
        let smi = smi.filter(|_| nodes > 0 || driver.is_some());
        let asked = |arguments: &[&str]| {
            let smi = smi.as_ref()?;
            Some(ask(Command::new(smi).args(arguments), LIMIT))
        };
        let told = asked(&[ASKED, FORMAT]);
        let works = told.as_ref().is_some_and(|told| told.said().is_some());
        let page = if works { asked(&[]) } else { None };
        Self {
            devices: pci_devices(Path::new("/sys/bus/pci/devices")),
            nodes,
            driver: driver.as_deref().and_then(driver_in).map(str::to_owned),
            apps: if works { asked(&[APPS, FORMAT]) } else { None },
            cuda: page.as_ref().and_then(Answer::said).and_then(cuda_in),
            built_for: python.and_then(built_for),
            is_container: around.is_container(),
            smi,
            told,
        }
    }
}

/// Display controllers (class 0x03) of NVIDIA (0x10de).
fn pci_devices(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let has = |path: &Path, file: &str, start: &str| {
        fs::read_to_string(path.join(file)).is_ok_and(|text| text.starts_with(start))
    };
    entries
        .flatten()
        .filter(|entry| {
            has(&entry.path(), "vendor", "0x10de") && has(&entry.path(), "class", "0x03")
        })
        .count()
}

fn nodes(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let is_gpu = |name: &str| {
        let number = name.strip_prefix("nvidia");
        number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    entries
        .flatten()
        .filter(|entry| is_gpu(&entry.file_name().to_string_lossy()))
        .count()
}

/// `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build ...`
fn driver_in(text: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        word.split('.').count() >= 2
            && word
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.lines().next()?.split_whitespace().find(is_version)
}

fn cuda_in(page: &str) -> Option<(u64, u64)> {
    let rest = page.split("CUDA Version:").nth(1)?;
    let (major, minor) = rest.split_whitespace().next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The CUDA that the packages of a Python bring: `nvidia-cuda-runtime-cu12`, or since CUDA 13
/// `nvidia-cuda-runtime`.
fn built_for(python: &Interpreter) -> Option<(u64, String)> {
    let version = |name: &str| python.version_of(name);
    let found = version("nvidia-cuda-runtime").map(|version| version.major());
    let found = found.or_else(|| version("nvidia-cuda-runtime-cu12").map(|_| 12))?;
    let torch = version("torch").map_or("the packages here".to_owned(), |version| {
        format!("torch {version}")
    });
    Some((found, torch))
}

pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    if facts.devices == 0 && facts.nodes == 0 && facts.driver.is_none() {
        return vec![Finding::note(
            "gpus",
            "none; tests of GPUs do not run, those marked gpu_0 do",
        )];
    }
    let mut findings = vec![driver(facts)];
    let rows: Vec<Gpu> = facts
        .told
        .as_ref()
        .and_then(Answer::said)
        .map(gpus_in)
        .unwrap_or_default();
    findings.extend(rows.iter().flat_map(gpu));
    if let Some(apps) = facts.apps.as_ref().and_then(Answer::said) {
        findings.extend(holders(apps));
    }
    findings.extend(cuda(facts));
    findings
}

const NO_TESTS: &str = "tests of GPUs do not run, or fail";
const KERNEL_SAYS: &str = "sudo dmesg | grep -i -e xid -e nvrm | tail";

fn driver(facts: &Facts) -> Finding {
    let name = "driver";
    if facts.nodes == 0 && facts.driver.is_none() {
        let found = format!("{} GPU(s) on the bus and no driver", facts.devices);
        return Finding::costs(name, found, NO_TESTS)
            .mended_by(Some("sudo modprobe nvidia".to_owned()));
    }
    if facts.nodes == 0 {
        let remedy = if facts.is_container {
            "./container/run.sh --gpus all -it -- dyno doctor gpus".to_owned()
        } else {
            "sudo nvidia-modprobe -u -c=0".to_owned()
        };
        return Finding::costs(name, "the driver is loaded, and /dev has no GPU", NO_TESTS)
            .mended_by(Some(remedy));
    }
    let version = facts
        .driver
        .as_deref()
        .unwrap_or("of a version that /proc does not tell");
    let cuda = facts.cuda.map_or(String::new(), |(major, minor)| {
        format!(", CUDA up to {major}.{minor}")
    });
    match (&facts.smi, &facts.told) {
        (Some(_), Some(told)) if told.said().is_some() => {
            Finding::good(name, format!("{version}{cuda}"))
        }
        (Some(_), Some(Answer::Late(limit))) => Finding::costs(
            name,
            format!(
                "{version}; nvidia-smi hangs: no answer within {} s",
                limit.as_secs()
            ),
            "a GPU or its driver is sick; whatever opens it may hang as well",
        )
        .mended_by(Some(KERNEL_SAYS.to_owned())),
        (Some(_), Some(told)) => {
            let why = told.why_not();
            let remedy = if why.contains("mismatch") {
                // The module of before an update of the driver is still loaded.
                "sudo reboot".to_owned()
            } else {
                KERNEL_SAYS.to_owned()
            };
            Finding::costs(name, format!("{version}; nvidia-smi says: {why}"), NO_TESTS)
                .mended_by(Some(remedy))
        }
        _ => Finding::note(
            name,
            format!("{version}; nvidia-smi is not on the PATH, so no more can be told"),
        ),
    }
}

/// One line of what nvidia-smi says.
#[derive(Debug, PartialEq, Eq)]
struct Gpu {
    index: String,
    name: String,
    total: Option<Bytes>,
    used: Option<Bytes>,
    mig: String,
    mode: String,
}

fn gpus_in(text: &str) -> Vec<Gpu> {
    let mebibytes = |text: &str| Some(Bytes(text.parse::<u64>().ok()?.checked_mul(1 << 20)?));
    let row = |line: &str| {
        let cells: Vec<String> = line.split(',').map(one_line).collect();
        let [index, name, _, total, used, mig, mode] = cells.try_into().ok()?;
        Some(Gpu {
            total: mebibytes(&total),
            used: mebibytes(&used),
            index,
            name,
            mig,
            mode,
        })
    };
    text.lines().filter_map(row).collect()
}

fn gpu(gpu: &Gpu) -> Vec<Finding> {
    let name = format!("gpu {}", gpu.index);
    let memory = match (gpu.total, gpu.used) {
        (Some(total), Some(used)) => format!(", {total}, {used} used"),
        (Some(total), None) => format!(", {total}"),
        _ => String::new(),
    };
    let found = format!("{}{memory}", gpu.name);
    let mut findings = Vec::new();
    let select = paste::command(&["nvidia-smi", "-i", &gpu.index]);
    findings.push(if gpu.mode.contains("Prohibited") {
        Finding::costs(
            name,
            format!("{found}, compute mode {}", gpu.mode),
            NO_TESTS,
        )
        .mended_by(Some(format!("sudo {select} -c DEFAULT")))
    } else if gpu.mode.contains("Exclusive") {
        Finding::costs(
            name,
            format!("{found}, compute mode {}", gpu.mode),
            "only one process at a time can use it; a deployment of two workers fails",
        )
        .mended_by(Some(format!("sudo {select} -c DEFAULT")))
    } else if gpu.mig == "Enabled" {
        Finding::note(
            name,
            format!(
                "{found}, split by MIG; tests see its instances, by CUDA_VISIBLE_DEVICES=MIG-..."
            ),
        )
        .mended_by(Some("nvidia-smi -L".to_owned()))
    } else {
        Finding::good(name, found)
    });
    findings
}

/// Processes that hold memory.
fn holders(text: &str) -> Option<Finding> {
    let mut pids = Vec::new();
    let mut held = 0;
    for line in text.lines() {
        let mut cells = line.split(',').map(str::trim);
        let (Some(pid), Some(memory)) = (cells.next(), cells.next()) else {
            continue;
        };
        if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        held += memory.parse::<u64>().unwrap_or(0) << 20;
        pids.push(pid.to_owned());
    }
    pids.sort();
    pids.dedup();
    if pids.is_empty() {
        return None;
    }
    let found = format!(
        "{} hold {}: process {}",
        pids.len(),
        Bytes(held),
        pids.join(", ")
    );
    Some(if held < HELD {
        Finding::note("gpu processes", found)
    } else {
        let list = pids.join(",");
        Finding::costs(
            "gpu processes",
            found,
            "engines that want their share of the whole memory do not start",
        )
        .mended_by(Some(format!(
            "ps -o pid,user,etime,args -p {list}   # then kill those that are yours"
        )))
    })
}

fn cuda(facts: &Facts) -> Option<Finding> {
    let ((major, minor), (needed, by)) = (facts.cuda?, facts.built_for.as_ref()?);
    let name = "cuda";
    Some(if *needed > major {
        Finding::costs(
            name,
            format!("{by} is built for CUDA {needed}, and the driver takes up to {major}.{minor}"),
            "nothing of it can use a GPU",
        )
        .mended_by(Some(
            "sudo apt-get install --only-upgrade 'nvidia-driver*'".to_owned(),
        ))
    } else {
        Finding::good(
            name,
            format!("{by} is built for CUDA {needed}, which the driver takes"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::on_the_page::assert_on_the_page;
    use dyno_model::FindingState::{self, Costs, Good, Note};

    fn judged(facts: &Facts) -> Vec<Finding> {
        let findings = judge(facts);
        assert_on_the_page(Area::Gpus, &findings);
        findings
    }

    /// What nvidia-smi says of a machine with one H100, as `nvidia-smi` and `/proc` have it (2026-11).
    const H100: &str = "0, NVIDIA H100 80GB HBM3, 580.159.04, 81559, 3691, Disabled, Default\n";

    fn said(out: &str) -> Answer {
        Answer::Ended {
            code: 0,
            out: out.to_owned(),
            err: String::new(),
        }
    }

    fn well() -> Facts {
        Facts {
            devices: 1,
            nodes: 1,
            driver: Some("580.159.04".to_owned()),
            smi: Some("/usr/bin/nvidia-smi".into()),
            told: Some(said(H100)),
            apps: Some(said("")),
            cuda: Some((13, 0)),
            ..Facts::default()
        }
    }

    fn states(facts: &Facts) -> Vec<(String, FindingState)> {
        judge(facts)
            .into_iter()
            .map(|one| (one.name, one.state))
            .collect()
    }

    #[test]
    fn texts_of_the_driver_are_read() {
        let version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (x)\nGCC";
        assert_eq!(driver_in(version), Some("580.159.04"));
        assert_eq!(
            cuda_in("| Driver Version: 580.159.04   CUDA Version: 13.0  |"),
            Some((13, 0))
        );
        assert_eq!(cuda_in("N/A"), None);
        let row = &gpus_in(H100)[0];
        assert_eq!(
            (row.name.as_str(), row.total),
            ("NVIDIA H100 80GB HBM3", Some(Bytes(81559 << 20)))
        );
        assert_eq!(gpus_in("odd\n1,2"), []);
        assert_eq!(
            nodes(Path::new("/nowhere")) + pci_devices(Path::new("/nowhere")),
            0
        );
    }

    #[test]
    fn each_sickness_is_named() {
        assert_eq!(states(&Facts::default()), [("gpus".to_owned(), Note)]);
        assert_eq!(
            states(&well()),
            [("driver".to_owned(), Good), ("gpu 0".to_owned(), Good)]
        );
        let mismatch = Answer::Ended {
            code: 18,
            out: "Failed to initialize NVML: Driver/library version mismatch\n".to_owned(),
            err: String::new(),
        };
        for (facts, says, command) in [
            (
                Facts {
                    nodes: 0,
                    driver: None,
                    ..well()
                },
                "no driver",
                "sudo modprobe nvidia",
            ),
            (
                Facts {
                    nodes: 0,
                    is_container: true,
                    ..well()
                },
                "/dev has no GPU",
                "--gpus all",
            ),
            (
                Facts {
                    told: Some(Answer::Late(LIMIT)),
                    ..well()
                },
                "hangs",
                "dmesg",
            ),
            (
                Facts {
                    told: Some(mismatch),
                    ..well()
                },
                "mismatch",
                "sudo reboot",
            ),
        ] {
            let finding = &judged(&facts)[0];
            assert_eq!(finding.state, Costs, "{finding:?}");
            assert!(finding.found.contains(says), "{finding:?}");
            assert!(
                finding.remedy.as_deref().unwrap().contains(command),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn modes_memory_and_cuda() {
        for (row, state) in [
            ("0, A, 1, 81559, 4, Enabled, Default", Note),
            ("0, A, 1, 81559, 4, [N/A], Exclusive_Process", Costs),
            ("0, A, 1, 81559, 4, [N/A], Prohibited", Costs),
        ] {
            assert_eq!(
                states(&Facts {
                    told: Some(said(row)),
                    ..well()
                })[1]
                    .1,
                state,
                "{row}"
            );
        }
        let held = Facts {
            apps: Some(said("4242, 3682, python3\n[N/A], 1, x\n")),
            ..well()
        };
        let finding = judged(&held).pop().unwrap();
        assert_eq!(finding.state, Costs);
        assert!(
            finding.remedy.unwrap().contains("-p 4242 "),
            "{}",
            finding.found
        );
        let old = Facts {
            built_for: Some((14, "torch 3".to_owned())),
            ..well()
        };
        assert_eq!(states(&old).pop(), Some(("cuda".to_owned(), Costs)));
    }
}
