//! pytest's answer for the tree as a whole.

use super::asked::Asked;
use super::depends::Record;
use super::known::{MODULE, certain};
use super::{Heard, Work};
use crate::Fingerprint;
use crate::cache::Made;
use crate::collection::{Collection, File, Folder, Listed, Source};
use crate::request::CollectError;
use crate::why::doubt_name;
use dyno_model::{CollectionRecord, RealCollection, Test, Unknown, python_text};
use std::collections::HashMap;

impl Work<'_> {
    /// The kept answer for the whole, if it holds, else what pytest says now.
    pub(super) fn collect_whole(
        &self,
        reasons: &[Unknown],
        heard: &mut Heard,
    ) -> Result<Collection, CollectError> {
        for reason in reasons {
            let (what, why, at) = (doubt_name(reason.doubt), &reason.reason, &reason.at);
            heard
                .debug
                .push(format!("pytest: asked for the whole: {what}: {why} {at}"));
        }
        let question = self.whole_question();
        let kept = self
            .store
            .find("", Made::ByPytest, question, &mut heard.debug);
        if let Some(kept) = kept {
            return Ok(self.of_whole(kept, Source::KeptAnswer, reasons));
        }
        let mut asked = Asked::of(self, None)?;
        self.keep_whole(&mut asked, question, heard);
        Ok(self.of_whole(asked.collection, Source::Pytest, reasons))
    }

    /// Everything that is asked: arguments, configuration, and the files that there are.
    fn whole_question(&self) -> Fingerprint {
        let mut text = format!("{:?}{:?}", self.request.args, self.session.config);
        for file in &self.project.layout().files {
            text.push_str(&file.id);
            text.push('\n');
        }
        Fingerprint::of(text.as_bytes())
    }

    fn asks_cache(&self) -> bool {
        let cache = &self.session.config.cache;
        cache.last_failed || cache.failed_first || cache.new_first || cache.stepwise
    }

    fn keep_whole(&self, asked: &mut Asked, question: Fingerprint, heard: &mut Heard) {
        let files = self.project.layout().files.iter();
        let paths: Vec<_> = files
            .map(|file| python_text(file.path.as_os_str()))
            .collect();
        let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
        let needs = if self.asks_cache() {
            Err("it depends on pytest's own cache".to_owned())
        } else {
            Record::of(&asked.collection, self, asked.at).needs(&paths)
        };
        // Not for the cache: it is in `needs`, and may hold secrets.
        asked.collection.record = CollectionRecord::default();
        match needs {
            Ok(needs) => {
                let answer = &asked.collection;
                self.store.keep("", Made::ByPytest, question, needs, answer);
            }
            Err(reason) => heard
                .debug
                .push(format!("cache: the whole is not kept: {reason}")),
        }
    }

    fn of_whole(&self, answer: RealCollection, source: Source, reasons: &[Unknown]) -> Collection {
        let mut files = Vec::with_capacity(answer.files.len());
        let mut tests: Vec<Option<(Test, usize)>> = Vec::new();
        let layout: HashMap<&str, _> = self
            .project
            .layout()
            .files
            .iter()
            .map(|file| (file.id.as_str(), file))
            .collect();
        for collector in answer.files {
            let index = files.len();
            let folders = layout.get(collector.file.as_str()).map(|file| {
                file.folders.iter().map(|folder| Folder {
                    name: folder.name.clone(),
                    is_package: folder.is_package,
                })
            });
            let class = collector.collector.rsplit('.').next();
            let skip = answer.skips.iter().find(|skip| skip.node == collector.file);
            files.push(File {
                folders: folders.map(Iterator::collect).unwrap_or_default(),
                source,
                open: reasons.to_vec(),
                failure: None,
                skip: skip.map(|skip| skip.skip.clone()),
                affected: None,
                kind: class.unwrap_or(MODULE).to_owned(),
                id: collector.file,
            });
            tests.extend(collector.tests.into_iter().map(|test| Some((test, index))));
        }
        let nowhere = files.len();
        tests.extend(answer.late.into_iter().map(|test| Some((test, nowhere))));
        let in_order = answer.order.iter().filter_map(|place| {
            let (test, file) = tests.get_mut(usize::try_from(*place).ok()?)?.take()?;
            let found = certain(test);
            Some(Listed { found, file })
        });
        let listed = in_order.collect();
        Collection {
            tests: listed,
            deselected: usize::try_from(answer.deselected).unwrap_or(usize::MAX),
            files,
            errors: answer.failures,
            ..self.empty()
        }
    }
}
