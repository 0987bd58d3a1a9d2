//! The text of a Containerfile.
//!
//! Layers go from what changes rarely to what changes often: the system's packages, Rust for
//! `dev`, the pinned requirements, dyno's wheel. Two dialects say the same:
//!
//! - with [`Builder::Mounts`] a step is given the host's settings as secrets, and the context's
//!   files and a cache of downloads as mounts;
//! - with [`Builder::Plain`] the steps that fetch Python packages run in a stage that is thrown
//!   away, into which the host's settings are copied, and the image takes the result.

use super::Choice;
use crate::engine::Builder;
use crate::framework::{Device, Target};
use std::fmt::Write;

/// The version of uv, which is `UV_VERSION` of the Makefile: a test compares them.
const UV: &str = "0.13.9";

/// What every image has of its system: an init, certificates, and the servers that some tests of
/// Dynamo start.
const SYSTEM: &str = "ca-certificates etcd-server nats-server tini";
/// What engines compile kernels with while they run.
const COMPILERS: &str = "g++ gcc libc6-dev libnuma1";
/// What TensorRT-LLM loads.
const MESSAGE_PASSING: &str = "libopenmpi-dev openmpi-bin";
/// What builds and checks dyno, beside Rust.
const BUILDING: &str = "bash gcc git libc6-dev make";

pub(super) fn text(choice: &Choice, builder: Builder) -> String {
    let mut text = String::new();
    let about = format!(
        "# {} of {}, on {}. Made by `dyno container build`.",
        choice.target,
        choice.framework,
        choice.device.name()
    );
    let _ = writeln!(text, "{about}");
    if choice.target == Target::Dev {
        let _ = writeln!(text, "FROM {} AS rust\n", choice.rust);
    }
    let _ = writeln!(text, "FROM {} AS system", choice.base);
    let _ = writeln!(text, "{}", environment(choice));
    let _ = writeln!(text, "{}", system(choice, builder));
    if choice.target == Target::Dev {
        let _ = writeln!(
            text,
            "COPY --from=rust /usr/local/cargo /usr/local/cargo\n\
             COPY --from=rust /usr/local/rustup /usr/local/rustup\n\
             RUN chmod -R a+rwX /usr/local/cargo\n"
        );
    }
    match builder {
        Builder::Mounts => {
            let _ = writeln!(text, "{}", packages(choice, builder));
            let _ = writeln!(
                text,
                "RUN --mount=type=bind,source=wheels,target=/run/wheels \\\n\
                 \x20   {INSTALL_WHEEL} /run/wheels/*.whl\n"
            );
        }
        Builder::Plain => {
            let _ = writeln!(text, "FROM system AS packages");
            let _ = writeln!(text, "LABEL {}", super::STAGE_LABEL);
            let _ = writeln!(text, "COPY host /run/secrets");
            for name in choice.requirements() {
                let _ = writeln!(text, "COPY requirements/{name} /run/requirements/{name}");
            }
            let _ = writeln!(text, "{}", packages(choice, builder));
            let _ = writeln!(text, "FROM system");
            let _ = writeln!(text, "COPY --from=packages /opt/dyno /opt/dyno");
            let _ = writeln!(text, "COPY wheels /opt/wheels");
            let _ = writeln!(text, "RUN {INSTALL_WHEEL} /opt/wheels/*.whl\n");
        }
    }
    let _ = writeln!(
        text,
        "LABEL dyno.framework={} dyno.target={} dyno.device={}",
        choice.framework,
        choice.target,
        choice.device.name()
    );
    text.push_str(END);
    text
}

const INSTALL_WHEEL: &str =
    "/opt/dyno/bin/python -m pip install --quiet --no-cache-dir --no-deps --no-index";

const END: &str = r#"USER dyno
WORKDIR /workspace
ENTRYPOINT ["tini", "--"]
CMD ["bash"]
"#;

/// `USER` and `LOGNAME`, because whoever runs the image may have no line in its `/etc/passwd`,
/// and Python's `getpass` asks these first.
fn environment(choice: &Choice) -> String {
    let mut variables = vec![
        ("HOME", "/var/lib/dyno"),
        ("USER", "dyno"),
        ("LOGNAME", "dyno"),
        ("LANG", "C.UTF-8"),
        ("HF_HOME", "/var/lib/dyno/.cache/huggingface"),
        ("VIRTUAL_ENV", "/opt/dyno"),
    ];
    let mut path = String::from("/opt/dyno/bin");
    if choice.target == Target::Dev {
        variables.push(("CARGO_HOME", "/usr/local/cargo"));
        variables.push(("RUSTUP_HOME", "/usr/local/rustup"));
        path.push_str(":/usr/local/cargo/bin");
    }
    let engine = format!("DYNAMO_{}_PYTHON", choice.framework.name().to_uppercase());
    if choice.framework != crate::Framework::None {
        variables.push((&engine, "/opt/dyno/bin/python"));
    }
    let path = format!("{path}:${{PATH}}");
    variables.push(("PATH", &path));
    let lines: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    format!("ENV {}\n", lines.join(" \\\n    "))
}

/// The system's packages, and the user. Python is installed where the base has none, and
/// Debian's way of making environments where that is apart.
fn system(choice: &Choice, builder: Builder) -> String {
    let mut packages = vec![SYSTEM];
    if choice.framework != crate::Framework::None {
        packages.push(COMPILERS);
    }
    if choice.framework == crate::Framework::Trtllm {
        packages.push(MESSAGE_PASSING);
    }
    if choice.target == Target::Dev {
        packages.push(BUILDING);
    }
    let mut packages: Vec<&str> = packages.iter().flat_map(|some| some.split(' ')).collect();
    packages.sort_unstable();
    packages.dedup();
    let python = if choice.device == Device::Cuda {
        "python3 python3-dev python3-venv"
    } else {
        "python3 python3-venv"
    };
    let (mounts, settings) = match builder {
        Builder::Mounts => (SECRETS, HOST_SETTINGS),
        Builder::Plain => ("", ""),
    };
    format!(
        r#"RUN {mounts}set -e; {settings}\
    set -- {packages}; \
    python3 -c 'import ensurepip' 2>/dev/null || set -- "$@" {python}; \
    if [ -f /run/secrets/authorities ]; then \
        install -m 644 /run/secrets/authorities /tmp/authorities; \
        echo 'Acquire::https::CAInfo "/tmp/authorities";' > /tmp/apt.conf; \
        export APT_CONFIG=/tmp/apt.conf; \
    fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update --quiet; \
    apt-get install --quiet --yes --no-install-recommends "$@"; \
    rm -rf /tmp/apt.conf /tmp/authorities /var/lib/apt/lists/* /var/cache/apt/*.bin \
        /var/log/apt /var/log/dpkg.log; \
    useradd --no-log-init --non-unique --uid 1000 --create-home --home-dir /var/lib/dyno \
        --shell /bin/bash dyno; \
    mkdir -p /var/lib/dyno/.cache/huggingface/hub /workspace; \
    chmod 1777 /var/lib/dyno /var/lib/dyno/.cache /var/lib/dyno/.cache/huggingface \
        /var/lib/dyno/.cache/huggingface/hub /workspace
"#,
        packages = packages.join(" "),
    )
}

const SECRETS: &str = "--mount=type=secret,id=registry --mount=type=secret,id=authorities \\\n    ";

/// Reads what a step was given of the host, where it was given anything.
const HOST_SETTINGS: &str = r"\
    if [ -f /run/secrets/registry ]; then . /run/secrets/registry; fi; ";

/// The environment with the pinned requirements. uv is not part of it.
fn packages(choice: &Choice, builder: Builder) -> String {
    let (mounts, cache) = match builder {
        Builder::Mounts => (
            format!(
                "{SECRETS}--mount=type=bind,source=requirements,target=/run/requirements \\\n    \
                 --mount=type=cache,target=/var/cache/uv \\\n    "
            ),
            "--cache-dir=/var/cache/uv --link-mode=copy",
        ),
        Builder::Plain => (String::new(), "--no-cache"),
    };
    // Each list is whole: it was resolved, with overrides where its packages ask for what there
    // is not.
    let lists: Vec<String> = choice
        .requirements()
        .iter()
        .map(|name| {
            format!(
                "    /tmp/uv/bin/uv pip install --quiet {cache} --python=/opt/dyno/bin/python \\\n\
                 \x20       --no-deps --compile-bytecode --requirements=/run/requirements/{name}; \\\n"
            )
        })
        .collect();
    format!(
        r"RUN {mounts}set -e; {HOST_SETTINGS}\
    if [ -f /run/secrets/authorities ]; then \
        export SSL_CERT_FILE=/run/secrets/authorities PIP_CERT=/run/secrets/authorities; \
    fi; \
    python3 -m venv /tmp/uv; \
    /tmp/uv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check uv=={UV}; \
    python3 -m venv /opt/dyno; \
{lists}    rm -rf /tmp/uv
",
        lists = lists.concat(),
    )
}
