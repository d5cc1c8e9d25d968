//! Operations that only look, at one job or at lists.

use std::collections::BTreeSet;

use windlass::job::{Filter, JobFact, Order, Reason, State, Timestamp};
use windlass::{Error, JobId};

use super::{World, all_of, is_call};

impl World {
    pub(super) async fn look(&mut self, kind: &str) -> bool {
        match kind {
            "list" => self.list(),
            "page while things change" => self.page().await,
            "wait" => self.wait().await,
            "read events" => self.read_events(),
            "read the output" => self.read_output(),
            _ => {
                let stranger = JobId::new(self.roll(50), self.model.now, self.roll(1 << 32) as u32);
                assert!(matches!(self.engine.get(stranger), Err(Error::NotFound(_))));
                let answer = self.engine.cancel(stranger, "x").await;
                assert!(matches!(answer, Err(Error::NotFound(_))), "{answer:?}");
                true
            }
        }
    }

    fn filter(&self) -> Filter {
        let chains: Vec<JobId> = self.model.jobs.values().filter_map(|job| job.chain).collect();
        let times: Vec<Timestamp> = self.model.jobs.values().map(|job| job.created).collect();
        let word = |chance, words: &[&str]| self.percent(chance).then(|| self.pick(words).unwrap().to_owned());
        let states = (0..self.pick(&[0, 0, 1, 1, 2, 4]).unwrap()).map(|_| self.pick(&State::ALL).unwrap()).collect();
        Filter {
            items_of: None,
            with_items: false,
            states,
            config: word(25, &["daily", "hourly", "none"]),
            run_of: None,
            chain: self.pick(&chains).filter(|_| self.percent(20)),
            project: word(25, &["default", "red", "blue", "none"]),
            queue: word(25, &["near", "far", "stopped", "calls"]),
            created_from: self.pick(&times).filter(|_| self.percent(20)),
            created_before: self.pick(&times).filter(|_| self.percent(20)),
            order: self.pick(&[Order::NewestFirst, Order::OldestFirst]).unwrap(),
        }
    }

    fn matching(&self, filter: &Filter) -> Vec<JobId> {
        let same = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        let mut ids = self.model.ids(|job| {
            (filter.states.is_empty() || filter.states.contains(&job.state))
                && same(&filter.config, job.spec.config.as_deref())
                && same(&filter.project, Some(&job.spec.project))
                && same(&filter.queue, Some(&job.spec.queue))
                && (filter.chain.is_none() || filter.chain == job.chain)
                && filter.created_from.is_none_or(|from| job.created >= from)
                && filter.created_before.is_none_or(|before| job.created < before)
        });
        if filter.order == Order::NewestFirst {
            ids.reverse();
        }
        ids
    }

    fn list(&mut self) -> bool {
        let filter = self.filter();
        let listed: Vec<JobId> = all_of(&self.engine, &filter).iter().map(|view| view.job.id).collect();
        assert_eq!(listed, self.matching(&filter), "{filter:?}");
        !listed.is_empty()
    }

    /// Jobs that match all the while are shown once, and nothing that never did.
    async fn page(&mut self) -> bool {
        let filter = self.filter();
        let before = self.matching(&filter);
        let first = self.engine.list(&filter, None, 3).unwrap();
        let mut shown: Vec<JobId> = first.jobs.iter().map(|view| view.job.id).collect();
        let mut changed = self.submit(vec![self.spec()], false).await;
        self.settle().await;
        changed |= self.cancel(|job| !job.state.is_final()).await;
        self.settle().await;
        let after = self.matching(&filter);
        let mut cursor = first.next;
        while let Some(from) = cursor {
            let page = self.engine.list(&filter, Some(from.to_string().parse().unwrap()), 2).unwrap();
            shown.extend(page.jobs.iter().map(|view| view.job.id));
            cursor = page.next;
        }
        let unique: BTreeSet<JobId> = shown.iter().copied().collect();
        assert_eq!(unique.len(), shown.len(), "shown twice in {shown:?}");
        let both = before.iter().filter(|id| after.contains(id));
        for id in both {
            assert!(unique.contains(id), "{id} was left out of {shown:?}");
        }
        assert!(shown.iter().all(|id| before.contains(id) || after.contains(id)));
        changed && shown.len() > 3
    }

    async fn wait(&mut self) -> bool {
        let Some(id) = self.pick_job(|_| true) else { return false };
        if self.model.job(id).state.is_final() {
            assert_eq!(self.engine.wait(id).await.unwrap().state(), self.model.job(id).state);
            return true;
        }
        let engine = windlass::Engine::clone(&self.engine);
        self.waiters.push((id, tokio::spawn(async move { engine.wait(id).await })));
        false
    }

    fn read_events(&mut self) -> bool {
        let Some(id) = self.pick_job(|job| job.attempt > 1) else { return false };
        let told = self.model.job(id);
        let events = self.engine.events(id).unwrap();
        assert_eq!(events.first().map(|event| &event.fact), Some(&JobFact::Submitted));
        assert!(events.is_sorted_by_key(|event| event.at), "{events:?}");
        let started = events.iter().filter(|event| matches!(event.fact, JobFact::Started { .. })).count();
        let failed = events.iter().filter(|event| matches!(event.fact, JobFact::AttemptFailed { .. })).count();
        // The last attempt ends with the job, unless the job ended between two attempts.
        let under_way = started - failed;
        assert_eq!(started as u32, told.attempt, "{events:?}");
        assert!(under_way <= 1 && (under_way == 1 || !told.is_active()), "{events:?}");
        let end = events.iter().find_map(|event| match &event.fact {
            JobFact::Finished { state, reason } => Some((*state, reason.clone())),
            _ => None,
        });
        let right: Option<(State, Option<Reason>)> = told.state.is_final().then(|| (told.state, told.reason.clone()));
        assert_eq!(end, right);
        true
    }

    fn read_output(&mut self) -> bool {
        let Some(id) = self.pick_job(|job| is_call(&job.spec)) else { return false };
        let told = self.model.job(id);
        let right = told.output.clone().filter(|_| told.state == State::Succeeded);
        assert_eq!(self.engine.output(id).unwrap(), right, "{told:#?}");
        right.is_some()
    }
}
