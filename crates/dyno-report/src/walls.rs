//! Walls that sealed tests had to do without.

use crate::canvas::{Canvas, Ink};
use dyno_model::MissingWall;

/// The section about them.
pub(crate) fn show(missing: &[MissingWall], canvas: &mut Canvas) {
    if missing.is_empty() {
        return;
    }
    canvas.sep('=', "MISSING WALLS", &[Ink::Yellow]);
    let intro = "sealed tests ran without these walls, which cannot be built here:";
    canvas.line(intro, &[]);
    for MissingWall { wall, why } in missing {
        let line = format!("  {wall}: {} ({why})", lost_with(wall));
        canvas.line(&line, &[]);
    }
}

/// What two tests side by side can do to each other without it.
fn lost_with(wall: &str) -> &'static str {
    match wall {
        "net" => "they would share ports, so they ran one at a time",
        "mount" => "they would share /tmp and /dev/shm, so they ran one at a time",
        "pid" => "they see each other's processes",
        "ipc" => "they share System V memory and POSIX queues",
        "uts" => "they share the hostname",
        _ => "they would share all that the machine has, so they ran one at a time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;

    #[test]
    fn each_is_named_with_what_is_lost_and_none_is_no_section() {
        let mut canvas = Canvas::new(Style::new(80, false));
        show(&[], &mut canvas);
        assert_eq!(canvas.take(), "");
        let missing = |wall: &str| MissingWall {
            wall: wall.to_owned(),
            why: "the kernel said no".to_owned(),
        };
        show(&[missing("net"), missing("all")], &mut canvas);
        let text = canvas.take();
        assert!(
            text.contains("\n  net: they would share ports, so"),
            "{text}"
        );
        assert!(text.contains("\n  all: they would share all"), "{text}");
        assert!(text.ends_with(" (the kernel said no)\n"), "{text}");
    }
}
