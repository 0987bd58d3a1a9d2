//! What the template says, and its end.

use super::{Effect, Leave, Machine, State};
use dyno_model::{Event, ExitCode, ProcessExit, TemplateId};
use dyno_wire::template::FromTemplate;
use dyno_wire::worker::ToWorker;

impl Machine {
    pub(super) fn template_says(
        &mut self,
        template: TemplateId,
        message: FromTemplate,
        effects: &mut Vec<Effect>,
    ) {
        match message {
            FromTemplate::Hello {
                protocol,
                pid,
                python,
                pytest,
            } => {
                if protocol == dyno_wire::PROTOCOL {
                    effects.push(Effect::Record(Event::TemplateStarted {
                        pid,
                        python,
                        pytest,
                    }));
                } else {
                    let message = format!(
                        "the dyno package of this Python speaks version {protocol} of the \
                         protocol, this command version {}\n\
                         hint: install both from one wheel",
                        dyno_wire::PROTOCOL
                    );
                    self.fail(message, ExitCode::UsageError, effects);
                    self.end(Leave::Killed, effects);
                }
            }
            FromTemplate::Unfit { message } => {
                self.fail(message, ExitCode::UsageError, effects);
                self.end(Leave::Killed, effects);
            }
            FromTemplate::SessionStarted => {
                self.session_began.get_or_insert(self.now);
            }
            // It has all been said before.
            FromTemplate::Output { .. }
            | FromTemplate::Warned { .. }
            | FromTemplate::CollectSkipped { .. }
                if self.replacement.is_awaited() => {}
            FromTemplate::CollectFailed { failure } if self.replacement.is_awaited() => {
                self.replacement.failed(&failure);
            }
            FromTemplate::Output { text } => {
                effects.push(Effect::Record(Event::Output { text }));
            }
            FromTemplate::Summary { text } => {
                effects.push(Effect::Record(Event::Summary { text }));
            }
            FromTemplate::Warned { warning } => {
                effects.push(Effect::Record(Event::Warned(warning)));
            }
            FromTemplate::CollectFailed { failure } => {
                self.failures += 1;
                effects.push(Effect::Record(Event::CollectFailed(failure)));
            }
            FromTemplate::CollectSkipped { node, skip } => {
                effects.push(Effect::Record(Event::CollectSkipped { node, skip }));
            }
            // What is recorded is for the asker, and an end comes as `Input::WorkerExited`, after
            // all that was printed: the driver sees to both.
            FromTemplate::Recorded { .. } | FromTemplate::WorkerExited { .. } => {}
            FromTemplate::TerminalWanted => effects.push(Effect::LendTerminal(None)),
            FromTemplate::TerminalReturned => effects.push(Effect::TakeTerminal),
            FromTemplate::Alone => self.alone(),
            FromTemplate::Part(part) => self.part(template, part, effects),
            FromTemplate::Collected(collected) if self.replacement.is_awaited() => {
                self.replaced(*collected, effects);
            }
            FromTemplate::Collected(collected) => self.collected(*collected, effects),
            FromTemplate::Forked {
                worker,
                pid,
                hazards,
            } => {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.pid = Some(pid);
                    effects.push(Effect::Record(Event::WorkerStarted {
                        worker,
                        pid,
                        hazards,
                    }));
                    // It may have been forked after the order to stop went out.
                    if self.stop.is_some() {
                        effects.push(Effect::ToWorker(worker, ToWorker::Stop));
                    }
                }
            }
            FromTemplate::Done { code } if self.replacement.is_awaited() => {
                self.not_replaced(ProcessExit::Code(code.into()), effects);
            }
            FromTemplate::Done { code } if template == TemplateId::FIRST => {
                self.session_done(code, effects);
            }
            FromTemplate::Done { code } => self.sibling_ended(template, Some(code), effects),
        }
    }

    fn session_done(&mut self, code: u8, effects: &mut Vec<Effect>) {
        let code = ExitCode::from(code);
        if self.state == State::Running {
            let message = format!(
                "the template's session ended with exit code {} before the tests did",
                u8::from(code)
            );
            self.fail(message, ExitCode::InternalError, effects);
        } else if code != ExitCode::Ok {
            self.forced.get_or_insert(code);
        }
        self.end(Leave::Itself, effects);
    }
}
