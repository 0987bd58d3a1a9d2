//! What `dyno doctor` found, for a terminal.

use crate::canvas::{Canvas, Ink};
use crate::style::Style;
use dyno_model::{Finding, FindingState};

/// What was found in each area, each thing in a line, and what it costs and what mends it below.
pub fn findings(areas: &[(&str, Vec<Finding>)], style: Style) -> String {
    let mut canvas = Canvas::new(style);
    let all = || areas.iter().flat_map(|(_, findings)| findings);
    let width = all().map(|finding| finding.name.chars().count()).max();
    let width = width.unwrap_or(0);
    for (about, findings) in areas {
        canvas.line(&format!("{about}:"), &[Ink::Bold]);
        for finding in findings {
            show(finding, width, &mut canvas);
        }
    }
    let costing = all()
        .filter(|finding| finding.state == FindingState::Costs)
        .count();
    match costing {
        0 => canvas.line("nothing is amiss", &[Ink::Green]),
        1 => canvas.line("one thing costs something", &[Ink::Yellow]),
        count => canvas.line(&format!("{count} things cost something"), &[Ink::Yellow]),
    }
    canvas.take()
}

fn show(finding: &Finding, width: usize, canvas: &mut Canvas) {
    let Finding { name, found, .. } = finding;
    let (mark, ink) = match finding.state {
        FindingState::Good => ("ok   ", Ink::Green),
        FindingState::Note => ("note ", Ink::Cyan),
        FindingState::Costs => ("COSTS", Ink::Yellow),
    };
    let mark = canvas.paint(mark, &[ink]);
    canvas.line(&format!("  {mark} {name:width$}  {found}"), &[]);
    let remedy = match finding.state {
        FindingState::Note => "to change it",
        FindingState::Good | FindingState::Costs => "mend",
    };
    let below = [("costs", &finding.costs), (remedy, &finding.remedy)];
    for (word, text) in below {
        if let Some(text) = text {
            canvas.line(&format!("          {word}: {text}"), &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_says_what_and_how_to_mend_it() {
        let style = || Style::new(80, false);
        let good = Finding::good("wall net", "stands");
        let text = findings(&[("sealed tests", vec![good.clone()])], style());
        assert_eq!(
            text,
            "sealed tests:\n  ok    wall net  stands\nnothing is amiss\n"
        );
        let bad = Finding::costs("cgroup memory", "refused", "no limit holds")
            .mended_by(Some("sudo true".to_owned()));
        let text = findings(&[("sealed tests", vec![good, bad])], style());
        assert_eq!(
            text,
            "sealed tests:\n  ok    wall net       stands\n  COSTS cgroup memory  refused\n\
             \x20         costs: no limit holds\n          mend: sudo true\n\
             one thing costs something\n"
        );
    }
}
