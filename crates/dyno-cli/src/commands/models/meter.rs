//! The progress of a fetch: bars on a terminal, nothing but waits in a pipe.

use dyno_hub::{Progress, Step, Wait};
use dyno_model::ModelRequest;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// Shows what happens to the models that are fetched.
pub(super) struct Meter {
    /// None where standard error is no terminal.
    bars: Option<MultiProgress>,
    models: HashMap<ModelRequest, ProgressBar>,
    /// The last wait that was told of each model: the same is not told again.
    told: HashMap<ModelRequest, String>,
    /// Columns of the longest name.
    width: usize,
}

const TEMPLATE: &str =
    "{prefix}  {bytes}/{total_bytes} [{bar:24}] {binary_bytes_per_sec}, {eta} left  {wide_msg}";

/// A wait that is shorter is none to speak of in a pipe.
const WORTH_TELLING: Duration = Duration::from_secs(2);

impl Meter {
    pub(super) fn new(requests: &[ModelRequest]) -> Self {
        let widths = requests.iter().map(|request| request.to_string().len());
        let dumb = std::env::var("TERM").as_deref() == Ok("dumb");
        Self {
            bars: (stderr().is_terminal() && !dumb).then(MultiProgress::new),
            models: HashMap::new(),
            told: HashMap::new(),
            width: widths.max().unwrap_or_default(),
        }
    }

    pub(super) fn show(&mut self, event: &Progress) {
        let request = &event.request;
        match &event.step {
            Step::Planned { bytes, missing, .. } => {
                if *missing > 0
                    && let Some(bars) = &self.bars
                {
                    let bar = bars.add(ProgressBar::new(*bytes));
                    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                        bar.set_style(style.progress_chars("=> "));
                    }
                    bar.set_prefix(format!("{:1$}", request.to_string(), self.width));
                    bar.set_position(bytes - missing);
                    // The speed is that of what comes, not of what was there.
                    bar.reset_eta();
                    self.models.insert(request.clone(), bar);
                }
            }
            Step::Received(bytes) | Step::Found(bytes) => {
                if let Some(bar) = self.models.get(request) {
                    bar.inc(*bytes);
                    bar.set_message("");
                }
            }
            Step::Lost(bytes) => {
                if let Some(bar) = self.models.get(request) {
                    bar.dec(*bytes);
                }
            }
            Step::Fetched { .. } => {
                if let Some(bar) = self.models.get(request) {
                    bar.set_message("");
                }
            }
            Step::Waiting { file, on } => self.wait(request, file, on),
        }
    }

    /// Takes the bars away; what is to stay is said after them.
    pub(super) fn close(self) {
        for bar in self.models.values() {
            bar.finish_and_clear();
        }
        if let Some(bars) = self.bars {
            let _ = bars.clear();
        }
    }

    fn wait(&mut self, request: &ModelRequest, file: &str, on: &Wait) {
        let (told, length) = match on {
            Wait::Process => (
                format!("waits for {file}, which another process fetches"),
                None,
            ),
            Wait::RateLimit(pause) => {
                let seconds = pause.as_secs_f64().ceil();
                let told = format!("waits {seconds} s, as the Hub limits the rate of requests");
                (told, Some(pause))
            }
            Wait::Retry { pause, why } => {
                let seconds = pause.as_secs_f64();
                let told = format!("asks for {file} again in {seconds:.1} s: {why}");
                (told, Some(pause))
            }
        };
        if let Some(bar) = self.models.get(request) {
            bar.set_message(told);
        } else if let Some(bars) = &self.bars {
            let _ = bars.println(format!("dyno: {request} {told}"));
        } else if length.is_none_or(|length| *length >= WORTH_TELLING)
            && self.told.get(request) != Some(&told)
        {
            anstream::eprintln!("dyno: {request} {told}");
            self.told.insert(request.clone(), told);
        }
    }
}
