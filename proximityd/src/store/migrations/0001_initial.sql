-- What the daemon remembers. Times are RFC 3339 text in UTC; JSON is text.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE host (
    name       TEXT PRIMARY KEY,
    config     TEXT NOT NULL,
    secret     BLOB NOT NULL,          -- sealed by age
    seen       TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE app (
    id               TEXT PRIMARY KEY,
    name             TEXT NOT NULL,
    host             TEXT NOT NULL,
    template         TEXT NOT NULL,
    template_version TEXT NOT NULL,
    state            TEXT NOT NULL,
    reason           TEXT,
    node             TEXT,
    vmid             INTEGER,
    ip               TEXT,
    url              TEXT,
    spec             TEXT NOT NULL,
    created_at       TEXT NOT NULL,
    checked_at       TEXT,
    removed_at       TEXT
) STRICT;
CREATE UNIQUE INDEX app_name ON app (name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX app_vmid ON app (host, vmid) WHERE removed_at IS NULL AND vmid IS NOT NULL;

CREATE TABLE secret (
    app    TEXT NOT NULL REFERENCES app (id),
    key    TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (app, key)
) STRICT;

-- Every vmid that an operation took. `released_at` frees it for another.
CREATE TABLE vmid (
    host        TEXT NOT NULL,
    vmid        INTEGER NOT NULL,
    operation   TEXT NOT NULL,
    reserved_at TEXT NOT NULL,
    released_at TEXT
) STRICT;
CREATE UNIQUE INDEX vmid_held ON vmid (host, vmid) WHERE released_at IS NULL;

CREATE TABLE golden (
    operation  TEXT PRIMARY KEY,
    host       TEXT NOT NULL,
    node       TEXT NOT NULL,
    storage    TEXT NOT NULL,
    recipe     TEXT NOT NULL,
    vmid       INTEGER,
    state      TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX golden_current ON golden (host, node, storage, recipe) WHERE state <> 'retired';

CREATE TABLE operation (
    id               TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,
    version          INTEGER NOT NULL,
    app              TEXT,
    app_name         TEXT,
    host             TEXT NOT NULL,
    parent           TEXT,
    params           TEXT NOT NULL,
    data             TEXT NOT NULL,
    state            TEXT NOT NULL,
    step             TEXT,
    waiting_for      TEXT,
    actor            TEXT NOT NULL,
    request_id       TEXT UNIQUE,
    created_at       TEXT NOT NULL,
    started_at       TEXT,
    ended_at         TEXT,
    error            TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    first_event      INTEGER NOT NULL
) STRICT;
-- One writer per app: at most one operation that has not ended.
CREATE UNIQUE INDEX operation_active ON operation (app) WHERE ended_at IS NULL AND app IS NOT NULL;
CREATE INDEX operation_app ON operation (app, created_at);

-- The journal: append-only, written before what it announces.
CREATE TABLE operation_event (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT NOT NULL REFERENCES operation (id),
    step      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    data      TEXT NOT NULL,
    at        TEXT NOT NULL
) STRICT;
CREATE INDEX operation_event_operation ON operation_event (operation, seq);

-- What the outside hears of. Numbers are never given twice.
CREATE TABLE event (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    kind      TEXT NOT NULL,
    level     TEXT NOT NULL,
    app       TEXT,
    operation TEXT,
    message   TEXT NOT NULL,
    data      TEXT NOT NULL
) STRICT;
