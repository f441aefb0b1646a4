//! Keep what has happened in a run, in order, for those who ask what came after what they know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::demand::Demand;
use super::problem::Problem;

/// How long a request waits for what it asks for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The most events that are kept. Of more, every second line of metrics in the older half goes.
const MOST: usize = 20_000;
/// The most events of an answer.
const AT_ONCE: usize = 1_000;

/// What has happened in a run.
#[derive(Debug)]
pub(super) struct Events {
    list: Mutex<Vec<Event>>,
    reached: watch::Sender<Reached>,
    demand: Demand,
    /// The first event that nobody has got yet.
    delivered: AtomicU64,
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

impl Default for Events {
    fn default() -> Self {
        Self {
            list: Mutex::default(),
            reached: watch::Sender::new(Reached::default()),
            demand: Demand::default(),
            delivered: AtomicU64::new(0),
        }
    }
}

impl Events {
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
        list.push(Event {
            number,
            is_metrics,
            text,
        });
        if list.len() > MOST {
            thin(&mut list);
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

    /// The events from number `after` on, as JSON: at once where there are any, else after the next one, or none after
    /// a while.
    ///
    /// # Errors
    /// Where there are not that many: they were those of another process.
    pub(super) async fn after(&self, after: u64) -> Result<String, Problem> {
        let _asking = self.demand.ask();
        let mut reached = self.reached.subscribe();
        if after > reached.borrow().next {
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
        let from = list.partition_point(|event| event.number < after);
        let some = &list[from..list.len().min(from + AT_ONCE)];
        let next = some.last().map_or(after, |last| last.number + 1);
        let texts: Vec<&str> = some.iter().map(|event| &*event.text).collect();
        self.delivered.fetch_max(next, Ordering::Relaxed);
        format!(r#"{{"next":{next},"events":[{}]}}"#, texts.join(","))
    }
}

/// Leave out every second line of metrics in the older half.
fn thin(list: &mut Vec<Event>) {
    let (half, mut place, mut lines) = (list.len() / 2, 0, 0_usize);
    list.retain(|event| {
        place += 1;
        lines += usize::from(event.is_metrics);
        place > half || !event.is_metrics || lines.is_multiple_of(2)
    });
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
        let events = Events::default();
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
        let events = Events::default();
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
        let events = Events::default();
        let refused = wait(events.after(1)).expect_err("there is none");
        assert_eq!(refused.status, StatusCode::GONE);
    }

    #[test]
    fn a_long_history_comes_in_parts() {
        let events = Events::default();
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
    fn of_too_many_lines_every_second_old_one_goes_and_nothing_else() {
        let mut list: Vec<Event> = (0..40)
            .map(|number| Event {
                number,
                is_metrics: number % 10 != 5,
                text: line(number).into(),
            })
            .collect();
        thin(&mut list);
        let kept: Vec<u64> = list.iter().map(|event| event.number).collect();
        let old: Vec<u64> = kept.iter().copied().filter(|number| *number < 20).collect();
        assert_eq!(old, [1, 3, 5, 6, 8, 10, 12, 14, 15, 17, 19]);
        assert!(kept[old.len()..].iter().copied().eq(20..40));
    }
}
