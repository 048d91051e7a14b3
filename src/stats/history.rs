//! The last quarter of an hour, a point every five seconds: what the plots of `/admin` show.

use std::collections::VecDeque;

use serde::Serialize;

/// Seconds between two points.
pub const POINT_SECS: u64 = 5;

/// Most points: 15 minutes.
pub const POINTS_MAX: usize = 180;

/// P-8 at one moment; totals count since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// Seconds since the start.
    pub uptime_secs: u64,
    /// Client connections.
    pub connections: u64,
    /// Held sessions.
    pub sessions: u64,
    /// Items published, in all.
    pub published_total: u64,
    /// Items put in outboxes and answers, in all.
    pub delivered_total: u64,
    /// Publishes answered since the point before.
    pub publishes: u64,
    /// Their mean time from arrival until all deliveries were queued, in microseconds.
    pub publish_mean_us: u64,
    /// The longest of them.
    pub publish_max_us: u64,
    /// Items whose deliveries have left workers since the point before, once for each worker.
    pub writes: u64,
    /// Their mean time from when they were sent out until the last try to write them, in microseconds.
    pub write_mean_us: u64,
    /// The time that 99 % of them took at most, rounded up to a bound of the histogram, in microseconds.
    pub write_p99_us: u64,
    /// Resident memory in bytes; 0 where the system does not tell.
    pub memory_bytes: u64,
}

/// The points, the oldest first.
#[derive(Debug, Default)]
pub struct History(VecDeque<Point>);

impl History {
    /// Adds the newest; past [`POINTS_MAX`] the oldest goes.
    pub fn add(&mut self, point: Point) {
        if self.0.len() >= POINTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(point);
    }

    /// Returns them all.
    pub fn points(&self) -> Vec<Point> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_points_go() {
        let mut history = History::default();
        for uptime_secs in 0..200 {
            history.add(Point {
                uptime_secs,
                ..Point::default()
            });
        }
        let points = history.points();
        assert_eq!(points.len(), POINTS_MAX);
        assert_eq!((points[0].uptime_secs, points[179].uptime_secs), (20, 199));
    }
}
