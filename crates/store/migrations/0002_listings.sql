-- Listings read their index in the order in which they are shown, for everybody and for one customer, however many
-- rows there are; and what is open or destroyed is found without reading what is neither.

DROP INDEX calls_by_offer;
CREATE INDEX calls_by_offer ON calls (offered_at, call_id);
CREATE INDEX calls_by_customer ON calls (customer_id, offered_at, call_id);

DROP INDEX recordings_by_start;
CREATE INDEX recordings_by_start ON recordings (started_at, recording_id);
CREATE INDEX recordings_open ON recordings (started_at) WHERE result IS NULL AND destroyed_at IS NULL;
CREATE INDEX recordings_destroyed ON recordings (recording_id) WHERE destroyed_at IS NOT NULL;
