//! Looks at what is, and says what is due. Changes nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use vorzimmer_types::{Day, RecordingId, UnixMillis};
use vorzimmer_vault::{KeyRows, KeyStore};

use crate::item::{Item, KeyName};
use crate::retention::{Retention, blocking};
use crate::{Class, Error, clock, erase, files};

/// What a run would destroy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The day that counts: everything due on it or before goes.
    pub through: Day,
    /// Day keys.
    pub keys: Vec<KeyName>,
    /// Parties' secrets below them.
    pub secrets: u64,
    /// Recordings that are due.
    pub recordings: Vec<RecordingId>,
    /// Recordings that were to be destroyed before their day, and are not yet altogether.
    pub erasures: BTreeMap<RecordingId, String>,
    /// Log files.
    pub logs: Vec<String>,
    /// Rows, by class.
    pub rows: BTreeMap<Class, u64>,
}

/// How forgetting stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The last moment that was seen; none before the first run.
    pub last_seen: Option<UnixMillis>,
    /// Whether the clock has leapt, so that a run would stop and ask.
    pub clock_leapt: bool,
    /// Class by class.
    pub classes: Vec<ClassStatus>,
    /// Number and time of the newest certificate.
    pub last_certificate: Option<(u64, UnixMillis)>,
}

/// How one class stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassStatus {
    /// Which.
    pub class: Class,
    /// For how long it is kept.
    pub period_days: u32,
    /// On which ground.
    pub basis: String,
    /// Keys, rows and files that are due now.
    pub due: u64,
    /// The day on which the oldest thing is due; none if there is nothing.
    pub oldest_due: Option<Day>,
}

impl Plan {
    fn empty(through: Day) -> Self {
        Self {
            through,
            keys: Vec::new(),
            secrets: 0,
            recordings: Vec::new(),
            erasures: BTreeMap::new(),
            logs: Vec::new(),
            rows: BTreeMap::new(),
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Class::ALL.into_iter().all(|class| self.of(class) == 0) && self.erasures.is_empty()
    }

    /// How many keys, rows and files of a class are due.
    #[must_use]
    pub fn of(&self, class: Class) -> u64 {
        let keys = self.keys.iter().filter(|key| key.class == class).count() as u64;
        let files = match class {
            Class::Recordings => self.recordings.len() as u64,
            Class::Logs => self.logs.len() as u64,
            _ => 0,
        };
        keys + files + self.rows.get(&class).copied().unwrap_or(0)
    }

    /// What is to be noted before anything is destroyed.
    pub(crate) fn items(&self) -> Vec<(Item, u64)> {
        let recordings = self.recordings.iter().map(|recording| Item::Recording { recording: *recording });
        let erasures = self
            .erasures
            .iter()
            .map(|(recording, why)| Item::Erasure { recording: *recording, why: why.clone() });
        let logs = self.logs.iter().map(|name| Item::Log { name: name.clone() });
        let files = recordings.chain(erasures).chain(logs);
        files.map(|item| (item, 1)).collect()
    }
}

impl Retention {
    /// What a run on day `through` would destroy.
    pub(crate) async fn survey(&self, through: Day) -> Result<Plan, Error> {
        let mut plan = Plan::empty(through);
        for row in due_keys(self.store.keys(), through)? {
            plan.secrets += row.slots as u64;
            plan.keys.extend(KeyName::of(&row).filter(|_| row.key));
        }
        for class in Class::ALL {
            let mut rows = 0;
            for table in class.tables() {
                rows += self.store.due_rows(*table, through).await?;
            }
            plan.rows.insert(class, rows);
        }
        let due = self.store.due_recordings(through).await?;
        let destroyed = self.store.destroyed_recordings().await?;
        let (keys, places, headers) = (self.store.keys().clone(), self.places.clone(), self.headers.clone());
        let log_through = Day(through.0.saturating_sub(self.periods.logs.days));
        blocking(move || {
            plan.recordings = files::due_recordings(&places.recordings, through, &headers)?;
            // A row alone, without file or secrets, goes with the rows.
            let due = due.into_iter().map(|row| row.recording);
            plan.recordings.extend(erase::left(&keys, &places.recordings, due)?);
            plan.recordings.sort();
            plan.recordings.dedup();
            let erased = destroyed.iter().map(|row| row.recording);
            let left = erase::left(&keys, &places.recordings, erased)?;
            for row in destroyed.into_iter().filter(|row| left.contains(&row.recording)) {
                let why = row.destroyed.map_or_else(String::new, |(_, why)| why);
                plan.erasures.insert(row.recording, why);
            }
            if let Some(logs) = &places.logs {
                plan.logs = files::due_logs(logs, log_through)?;
            }
            Ok(plan)
        })
        .await
    }

    /// What a run would destroy now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::ClockJumped`] as a run would; if store, vault or folders cannot be read.
    pub async fn plan(&self, now: UnixMillis, clock: clock::Clock) -> Result<Plan, Error> {
        let today = clock::check(clock::last_seen(&self.store).await?, now, clock)?;
        self.survey(today).await
    }

    /// How forgetting stands now. Changes nothing.
    ///
    /// # Errors
    /// If store, vault or folders cannot be read.
    pub async fn status(&self, now: UnixMillis) -> Result<Status, Error> {
        let last_seen = clock::last_seen(&self.store).await?;
        let clock_leapt = clock::check(last_seen, now, clock::Clock::Checked).is_err();
        let plan = self.survey(now.max(last_seen.unwrap_or(now)).day()).await?;
        let mut classes = Vec::new();
        for class in Class::ALL {
            let period = self.periods.of(class);
            classes.push(ClassStatus {
                class,
                period_days: period.days,
                basis: period.basis.clone(),
                due: plan.of(class),
                oldest_due: self.oldest_due(class).await?,
            });
        }
        let last = self.store.last_certificate().await?;
        let last_certificate = last.map(|certificate| (certificate.number, certificate.made_at));
        Ok(Status { last_seen, clock_leapt, classes, last_certificate })
    }

    /// The day on which the oldest thing of a class is due.
    pub(crate) async fn oldest_due(&self, class: Class) -> Result<Option<Day>, Error> {
        let mut oldest: Option<Day> = None;
        let mut older = |day: Option<Day>| oldest = oldest.into_iter().chain(day).min();
        for table in class.tables() {
            older(self.store.earliest_due(*table).await?);
        }
        let keys = self.store.keys().list()?;
        older(keys.iter().filter(|row| class.keys().contains(&row.class)).map(|row| row.day).min());
        if let (Class::Logs, Some(folder)) = (class, &self.places.logs) {
            let period = self.periods.logs.days;
            older(files::oldest_log(folder)?.map(|day| day.plus(period)));
        }
        Ok(oldest)
    }
}

/// The rows of the key store that are due on `through` or before.
pub(crate) fn due_keys(keys: &KeyStore, through: Day) -> Result<Vec<KeyRows>, Error> {
    let mut rows = keys.list()?;
    rows.retain(|row| row.day <= through && Class::of_key(row.class).is_some());
    Ok(rows)
}
