//! Keep what has happened in a run, in order, for those who ask what came after what they know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::demand::Demand;
use super::problem::Problem;

/// How long a request waits for what it asks for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The most events that are kept. Of more, lines of metrics in the older half go, evenly over the whole run.
const MOST: usize = 20_000;
/// The most events of an answer.
const AT_ONCE: usize = 1_000;

/// What has happened in a run.
#[derive(Debug)]
pub(super) struct Events {
    list: Mutex<Kept>,
    reached: watch::Sender<Reached>,
    demand: Demand,
    /// The first event that nobody has got yet.
    delivered: AtomicU64,
    /// Number of the first event: another one in each process, so that a page of an earlier one is told apart.
    first: u64,
}

/// The events that are kept.
#[derive(Debug)]
struct Kept {
    events: Vec<Event>,
    /// In the older half, lines of metrics whose number is no multiple of this are gone.
    stride: u64,
}

/// How far events have come.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// Number of the next event.
    next: u64,
    /// Whether none will come any more.
    is_over: bool,
}

#[derive(Clone, Debug)]
struct Event {
    number: u64,
    /// Whether it is a line of metrics.
    is_metrics: bool,
    /// An object of JSON.
    text: Arc<str>,
}

impl Events {
    /// None yet, of a process that begins now.
    pub(super) fn of_this_process() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::from(since_1970.unwrap_or_default().as_millis() as u64)
    }

    /// None yet; the first will have this number.
    fn from(first: u64) -> Self {
        let (next, is_over) = (first, false);
        Self {
            list: Mutex::new(Kept {
                events: Vec::new(),
                stride: 2,
            }),
            reached: watch::Sender::new(Reached { next, is_over }),
            demand: Demand::default(),
            delivered: AtomicU64::new(first),
            first,
        }
    }

    /// Add a line of metrics, an object of JSON.
    pub(super) fn add_metrics(&self, line: &str) {
        self.add(line.into(), true);
    }

    /// Add what has happened besides.
    pub(super) fn add_other(&self, name: &str, what: impl serde::Serialize) {
        self.add(json!({ name: what }).to_string().into(), false);
    }

    fn add(&self, text: Arc<str>, is_metrics: bool) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.reached.borrow().next;
        list.events.push(Event {
            number,
            is_metrics,
            text,
        });
        if list.events.len() > MOST {
            list.thin();
        }
        self.reached
            .send_modify(|reached| reached.next = number + 1);
    }

    /// Nothing will happen any more: nobody waits for it.
    pub(super) fn end(&self) {
        self.reached.send_modify(|reached| reached.is_over = true);
    }

    /// Whether somebody asks for events, within this time, and has not got all of them.
    pub(super) fn are_awaited(&self, within: Duration) -> bool {
        let next = self.reached.borrow().next;
        self.demand.is_there(within) && self.delivered.load(Ordering::Relaxed) < next
    }

    /// The events from number `after` on, all for 0, as JSON: at once where there are any, else after the next one, or none after
    /// a while.
    ///
    /// # Errors
    /// Where there are not that many: they were those of another process.
    pub(super) async fn after(&self, after: u64) -> Result<String, Problem> {
        let _asking = self.demand.ask();
        let mut reached = self.reached.subscribe();
        let known = self.first..=reached.borrow().next;
        if after != 0 && !known.contains(&after) {
            let line = "this page is of a server that has ended: load it again";
            return Err(Problem::new(StatusCode::GONE, line));
        }
        let come = async {
            let come = |reached: &Reached| reached.next > after || reached.is_over;
            reached.wait_for(come).await.map(|_| ())
        };
        let _ = timeout(PATIENCE, come).await; // after a while with what there is
        Ok(self.answer(after))
    }

    fn answer(&self, after: u64) -> String {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let events = &list.events;
        let from = events.partition_point(|event| event.number < after);
        let some = &events[from..events.len().min(from + AT_ONCE)];
        let next = some
            .last()
            .map_or(after.max(self.first), |last| last.number + 1);
        let texts: Vec<&str> = some.iter().map(|event| &*event.text).collect();
        self.delivered.fetch_max(next, Ordering::Relaxed);
        format!(r#"{{"next":{next},"events":[{}]}}"#, texts.join(","))
    }
}

impl Kept {
    /// Leave out lines of metrics in the older half, until a quarter of all events is gone or none is left to leave out.
    fn thin(&mut self) {
        let most = self.events.len() / 4 * 3;
        while self.events.len() > most && self.stride < u64::MAX / 2 {
            let (half, stride) = (self.events.len() / 2, self.stride);
            let mut place = 0;
            self.events.retain(|event| {
                place += 1;
                place > half || !event.is_metrics || event.number.is_multiple_of(stride)
            });
            if self.events.len() > most {
                self.stride *= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use serde_json::Value;

    use super::*;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().expect("a runtime");
        runtime.block_on(future)
    }

    fn parsed(answer: Result<String, Problem>) -> (u64, Vec<Value>) {
        let answer: Value = serde_json::from_str(&answer.expect("an answer")).expect("JSON");
        let events = answer["events"].as_array().expect("a list").clone();
        (answer["next"].as_u64().expect("a number"), events)
    }

    /// What is next, and the iterations of the lines of metrics.
    fn asked(events: &Events, after: u64) -> (u64, Vec<u64>) {
        let (next, found) = parsed(wait(events.after(after)));
        let iterations = found.iter().filter_map(|event| event["iteration"].as_u64());
        (next, iterations.collect())
    }

    fn line(iteration: u64) -> String {
        format!(r#"{{"iteration":{iteration},"loss":null}}"#)
    }

    #[test]
    fn everybody_gets_what_came_after_what_they_know() {
        let events = Events::from(0);
        (10..13).for_each(|iteration| events.add_metrics(&line(iteration)));
        events.add_other("samples", 12);
        assert_eq!(asked(&events, 0), (4, vec![10, 11, 12]));
        assert_eq!(asked(&events, 2), (4, vec![12]));
        let (next, found) = parsed(wait(events.after(3)));
        assert_eq!((next, found), (4, vec![json!({"samples": 12})]));
        events.end();
        assert_eq!(asked(&events, 4), (4, vec![]), "nothing will come");
    }

    #[test]
    fn who_knows_everything_waits_for_the_next() {
        let events = Events::from(0);
        events.add_metrics(&line(1));
        let answered = wait(async {
            let mut asking = pin!(events.after(1));
            let mut context = Context::from_waker(Waker::noop());
            assert!(asking.as_mut().poll(&mut context).is_pending());
            events.add_other("ended", 1);
            match asking.as_mut().poll(&mut context) {
                Poll::Ready(answer) => parsed(answer),
                Poll::Pending => panic!("it has come"),
            }
        });
        assert_eq!(answered, (2, vec![json!({"ended": 1})]));
        assert!(
            !events.are_awaited(Duration::from_secs(1 << 20)),
            "it was delivered"
        );
        events.add_metrics(&line(2));
        assert!(events.are_awaited(Duration::from_secs(1 << 20)));
    }

    #[test]
    fn a_page_of_an_earlier_server_is_told_so() {
        let events = Events::from(1000);
        events.add_metrics(&line(1));
        for known in [1, 999, 1002] {
            let refused = wait(events.after(known)).expect_err("there is none");
            assert_eq!(refused.status, StatusCode::GONE, "{known}");
        }
        assert_eq!(asked(&events, 0), (1001, vec![1]));
        assert_eq!(asked(&Events::from(1000), 0), (1000, vec![]));
    }

    #[test]
    fn a_long_history_comes_in_parts() {
        let events = Events::from(0);
        (0..2500).for_each(|iteration| events.add_metrics(&line(iteration)));
        let (mut after, mut found) = (0, Vec::new());
        while after < 2500 {
            let (next, some) = asked(&events, after);
            assert!(some.len() <= AT_ONCE);
            found.extend(some);
            after = next;
        }
        assert!(found.into_iter().eq(0..2500));
    }

    #[test]
    fn of_too_many_lines_old_ones_go_evenly_and_nothing_else() {
        let events = Events::from(7);
        for iteration in 0..100_000 {
            match iteration % 1000 {
                999 => events.add_other("samples", iteration),
                _ => events.add_metrics(&line(iteration)),
            }
        }
        let kept = events.list.lock().expect("no panic");
        assert!(kept.events.len() <= MOST);
        let others = kept.events.iter().filter(|event| !event.is_metrics);
        assert_eq!(others.count(), 100, "what happened besides stays");
        let numbers: Vec<u64> = kept.events.iter().map(|event| event.number).collect();
        let gaps = numbers.windows(2).map(|two| two[1] - two[0]);
        assert!(numbers[0] < 7 + kept.stride && gaps.max() <= Some(kept.stride));
        assert!(kept.stride <= 32, "{}", kept.stride);
        assert_eq!(numbers.last(), Some(&(7 + 99_999)));
    }
}
