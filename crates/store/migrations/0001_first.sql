-- One set of migrations for SQLite and PostgreSQL: only BIGINT, TEXT and BYTEA, no serial ids, no defaults.
-- SQLite gives BYTEA columns numeric affinity, which leaves blobs as they are.
-- Columns that end in _sealed hold nothing that can be read without the key store.

CREATE TABLE events (
    call_id BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    customer_id BYTEA NOT NULL,
    expiry_day BIGINT NOT NULL,
    event_sealed BYTEA NOT NULL,
    PRIMARY KEY (call_id, seq)
);
CREATE INDEX events_by_expiry ON events (expiry_day);

CREATE TABLE calls (
    call_id BYTEA NOT NULL PRIMARY KEY,
    customer_id BYTEA NOT NULL,
    offered_at BIGINT NOT NULL,
    ended_at BIGINT,
    disposition TEXT NOT NULL,
    recording_result TEXT,
    next_seq BIGINT NOT NULL,
    expiry_day BIGINT NOT NULL,
    record_sealed BYTEA NOT NULL
);
CREATE INDEX calls_by_offer ON calls (offered_at);
CREATE INDEX calls_by_expiry ON calls (expiry_day);

CREATE TABLE receipts (
    receipt_id BYTEA NOT NULL PRIMARY KEY,
    call_id BYTEA NOT NULL,
    customer_id BYTEA NOT NULL,
    at_ms BIGINT NOT NULL,
    expiry_day BIGINT NOT NULL,
    receipt TEXT NOT NULL
);
CREATE INDEX receipts_by_call ON receipts (call_id);
CREATE INDEX receipts_by_expiry ON receipts (expiry_day);

CREATE TABLE recordings (
    recording_id BYTEA NOT NULL PRIMARY KEY,
    call_id BYTEA NOT NULL,
    customer_id BYTEA NOT NULL,
    started_at BIGINT NOT NULL,
    result TEXT,
    duration_ms BIGINT NOT NULL,
    gaps_caller BIGINT NOT NULL,
    gaps_receptionist BIGINT NOT NULL,
    expiry_day BIGINT NOT NULL,
    destroyed_at BIGINT,
    destroyed_why TEXT
);
CREATE INDEX recordings_by_call ON recordings (call_id);
CREATE INDEX recordings_by_start ON recordings (started_at);
CREATE INDEX recordings_by_expiry ON recordings (expiry_day);

-- Kept apart from recordings: an acknowledgement may arrive before the event that made the row.
CREATE TABLE recording_pages (
    recording_id BYTEA NOT NULL PRIMARY KEY,
    pages BIGINT NOT NULL
);

CREATE TABLE numbers (
    blind BYTEA NOT NULL,
    role TEXT NOT NULL,
    call_id BYTEA NOT NULL,
    expiry_day BIGINT NOT NULL,
    PRIMARY KEY (blind, role, call_id)
);
CREATE INDEX numbers_by_expiry ON numbers (expiry_day);

CREATE TABLE customers (
    customer_id BYTEA NOT NULL PRIMARY KEY,
    customer_sealed BYTEA NOT NULL
);

CREATE TABLE receptionists (
    receptionist_id BYTEA NOT NULL PRIMARY KEY,
    receptionist_sealed BYTEA NOT NULL
);

CREATE TABLE bindings (
    receptionist_id BYTEA NOT NULL,
    place BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    binding_sealed BYTEA NOT NULL,
    PRIMARY KEY (receptionist_id, place)
);

CREATE TABLE audit (
    audit_id BYTEA NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    expiry_day BIGINT NOT NULL,
    entry_sealed BYTEA NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ms);
CREATE INDEX audit_by_expiry ON audit (expiry_day);

CREATE TABLE certificates (
    number BIGINT NOT NULL PRIMARY KEY,
    made_at BIGINT NOT NULL,
    certificate TEXT NOT NULL
);

-- What retention has set out to destroy and not yet certified.
CREATE TABLE tallies (
    item TEXT NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL
);

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
