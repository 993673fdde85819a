-- What became of a recording after its call: 0 it is as it came, 1 it was encoded again, 2 it was looked at and stays as
-- it came. Those that may be encoded again are found without reading the others.

ALTER TABLE recordings ADD COLUMN form BIGINT NOT NULL DEFAULT 0;
CREATE INDEX recordings_as_they_came ON recordings (started_at, recording_id)
    WHERE form = 0 AND destroyed_at IS NULL AND result IN ('ok', 'degraded') AND duration_ms >= 10000;
