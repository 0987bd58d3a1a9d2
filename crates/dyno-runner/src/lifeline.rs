//! What a keeper says over its lifeline (`dyno_sandbox::keeper` writes it).

use dyno_model::ProcessExit;

/// A line of a keeper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// A signal ended the template; what it had forked lives on.
    TemplateEnded(ProcessExit),
    /// A process ended whose parent had ended before it.
    OrphanEnded { pid: u32, exit: ProcessExit },
}

/// Reads a line; `None` for one that this dyno does not know.
pub(crate) fn parse(line: &str) -> Option<Told> {
    let mut words = line.split_ascii_whitespace();
    let told = match (words.next()?, words.next()?, words.next()) {
        ("command", status, None) => Told::TemplateEnded(exit(status)?),
        ("orphan", pid, Some(status)) => Told::OrphanEnded {
            pid: pid.parse().ok()?,
            exit: exit(status)?,
        },
        _ => return None,
    };
    words.next().is_none().then_some(told)
}

fn exit(status: &str) -> Option<ProcessExit> {
    status.parse().ok().map(ProcessExit::from_wait_status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_keeper_writes_them() {
        let killed = ProcessExit::Signal(9);
        assert_eq!(parse("command 9"), Some(Told::TemplateEnded(killed)));
        let exit = ProcessExit::Code(1);
        assert_eq!(
            parse("orphan 71 256"),
            Some(Told::OrphanEnded { pid: 71, exit })
        );
        for odd in [
            "",
            "command",
            "command x",
            "orphan 71",
            "orphan 1 2 3",
            "more 1",
        ] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
