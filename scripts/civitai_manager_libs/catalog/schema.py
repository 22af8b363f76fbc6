"""The tables, as one script for each version of the file; ``database`` brings an older file up to date.

Three kinds of facts, kept apart: what Civitai said (``models`` and ``bodies``, ``versions``, ``remote_files``, ``tags`` with own = 0), what a
person said (own tags, collections, notes, marks, which versions to ignore), and what is on the disk (``local_files``). What the grid filters
and sorts by is summed up in columns of ``models`` by ``settle.settle``, in the same transaction as the change; what a search looks through is
in ``texts``, so that the rows of ``models`` stay short. Columns named ``key`` hold ``texts.key`` of the name beside them: equal in any case.
"""

from .schema_civitai import SCHEMA_3, SCHEMA_4

SCHEMA_1 = """
CREATE TABLE models (
    id INTEGER PRIMARY KEY,              -- Civitai's model id
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    creator TEXT NOT NULL,
    nsfw INTEGER NOT NULL,
    nsfw_level INTEGER NOT NULL,         -- bits, 0 = not rated
    base_models TEXT NOT NULL,           -- JSON list of text, newest version first
    version_count INTEGER NOT NULL,
    published TEXT NOT NULL,             -- of the newest version, ISO 8601 or ''
    search TEXT NOT NULL,                -- casefolded text that a query is looked for in
    registered TEXT NOT NULL,            -- first registration, ISO 8601 UTC; never changed by a refresh
    refreshed TEXT NOT NULL,             -- last answer of Civitai, ISO 8601 UTC, '' when known from a sidecar only
    gone INTEGER NOT NULL DEFAULT 0,     -- Civitai no longer knows it
    note TEXT NOT NULL DEFAULT '',       -- the person's own
    thumbnail TEXT NOT NULL DEFAULT '',  -- content tag of the thumbnail file, '' = none
    thumbnail_url TEXT NOT NULL DEFAULT '',
    thumbnail_chosen INTEGER NOT NULL DEFAULT 0   -- the person chose it: a refresh keeps it
);
CREATE INDEX models_by_name ON models (name COLLATE NOCASE, id);
CREATE INDEX models_by_registered ON models (registered DESC, id DESC);
CREATE TABLE bodies (model_id INTEGER PRIMARY KEY REFERENCES models ON DELETE CASCADE, body BLOB NOT NULL);  -- zlib, UTF-8 JSON as received
CREATE TABLE versions (id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE, position INTEGER NOT NULL);
CREATE INDEX versions_by_model ON versions (model_id, position);
CREATE TABLE remote_files (                                  -- a linked VAE belongs to several versions
    version_id INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
    file_id INTEGER NOT NULL,
    sha256 TEXT NOT NULL,                                    -- lower case, '' = not known
    PRIMARY KEY (version_id, file_id)
) WITHOUT ROWID;
CREATE INDEX remote_files_by_hash ON remote_files (sha256) WHERE sha256 <> '';
CREATE TABLE local_files (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,                                    -- lower case, '' = not known
    model_id INTEGER,
    version_id INTEGER,
    file_id INTEGER,
    added TEXT NOT NULL
);
CREATE INDEX local_files_by_model ON local_files (model_id);
CREATE INDEX local_files_by_hash ON local_files (sha256) WHERE sha256 <> '';
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,                   -- equal requests have equal keys
    title TEXT NOT NULL,
    params TEXT NOT NULL,                -- JSON
    state TEXT NOT NULL,                 -- queued, running, paused, done, failed, cancelled ("waiting" is running, seen closer)
    owner TEXT,                          -- the engine that works on it; NULL: nobody
    request TEXT,                        -- pause or cancel, asked by another process
    progress TEXT NOT NULL DEFAULT '{}', -- JSON, as last saved
    result TEXT,                         -- JSON
    error TEXT,                          -- JSON
    created REAL NOT NULL,               -- seconds since 1970
    finished REAL,
    changed INTEGER NOT NULL             -- counter.value at the last change
);
CREATE UNIQUE INDEX jobs_active ON jobs (key) WHERE state IN ('queued', 'running', 'paused');
CREATE INDEX jobs_by_change ON jobs (changed);
CREATE TABLE job_items (
    job_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    position INTEGER NOT NULL,
    params TEXT NOT NULL,
    state TEXT NOT NULL,                 -- queued, done, failed
    result TEXT,
    PRIMARY KEY (job_id, position)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('jobs', 0), ('catalog', 0);
"""

SCHEMA_2 = """
ALTER TABLE models ADD COLUMN favourite INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN rating INTEGER NOT NULL DEFAULT 0;      -- the person's, 1 to 5; 0 = none
ALTER TABLE models ADD COLUMN weight REAL;                            -- the person's preferred weight
ALTER TABLE models ADD COLUMN negative TEXT NOT NULL DEFAULT '';      -- the person's words for the negative prompt
ALTER TABLE models ADD COLUMN own_level INTEGER;                      -- the person's NSFW bits; NULL = Civitai's hold
ALTER TABLE models ADD COLUMN follow TEXT NOT NULL DEFAULT 'any';     -- which newer versions are updates: any, base, none
ALTER TABLE models ADD COLUMN pinned INTEGER;                         -- a version id that is kept: nothing newer is an update
ALTER TABLE models ADD COLUMN downloads INTEGER NOT NULL DEFAULT 0;   -- Civitai's counts
ALTER TABLE models ADD COLUMN thumbs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN used REAL NOT NULL DEFAULT 0;           -- last use, seconds since 1970; 0 = not known
ALTER TABLE models ADD COLUMN checked REAL NOT NULL DEFAULT 0;        -- last update check, seconds since 1970
ALTER TABLE models ADD COLUMN thumbnail_level INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN blurhash TEXT NOT NULL DEFAULT '';
ALTER TABLE models ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;     -- 0: saved by an older program, whose columns were fewer
-- summed up by settle
ALTER TABLE models ADD COLUMN ordering TEXT NOT NULL DEFAULT '';      -- the name, as it is sorted
ALTER TABLE models ADD COLUMN level INTEGER NOT NULL DEFAULT 0;       -- NSFW bits that hold, 0 = unrated
ALTER TABLE models ADD COLUMN here INTEGER NOT NULL DEFAULT 0;        -- files that are there
ALTER TABLE models ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;     -- files that were there
ALTER TABLE models ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;      -- files there that are truncated or of a wrong hash
ALTER TABLE models ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;       -- of the files that are there
ALTER TABLE models ADD COLUMN newer INTEGER NOT NULL DEFAULT 0;       -- 0 nothing newer, 1 an update, 2 one in early access only
ALTER TABLE models ADD COLUMN facts INTEGER NOT NULL DEFAULT 0;       -- all that is filtered by, as the bits of settle.FACTS

-- Each order of the grid has an index that also holds the facts: filtering and counting never read the table itself.
DROP INDEX models_by_name;
DROP INDEX models_by_registered;
CREATE INDEX models_by_name ON models (ordering, id, facts);
CREATE INDEX models_by_registered ON models (registered DESC, id DESC, facts);
CREATE INDEX models_by_published ON models (published DESC, id DESC, facts);
CREATE INDEX models_by_downloads ON models (downloads DESC, id DESC, facts);
CREATE INDEX models_by_thumbs ON models (thumbs DESC, id DESC, facts);
CREATE INDEX models_by_rating ON models (rating DESC, id DESC, facts);
CREATE INDEX models_by_bytes ON models (bytes DESC, id DESC, facts);
CREATE INDEX models_by_used ON models (used DESC, id DESC, facts);
CREATE INDEX models_by_facts ON models (facts);
CREATE INDEX models_by_type ON models (type COLLATE NOCASE);
CREATE INDEX models_by_creator ON models (creator COLLATE NOCASE);
CREATE INDEX models_unsettled ON models (id) WHERE settled = 0;

CREATE TABLE texts (
    model_id INTEGER PRIMARY KEY REFERENCES models ON DELETE CASCADE,
    search TEXT NOT NULL,                -- what Civitai says, as it was saved; models.search is no longer used
    words TEXT NOT NULL DEFAULT '',      -- all of it and what the person says, as texts.tokens: found by the beginning of a word
    names TEXT NOT NULL DEFAULT ''       -- the names, as texts.grams: found by any three letters
);
INSERT INTO texts (model_id, search, words) SELECT id, search, search FROM models;
-- The simplest tokenizer: texts.py has done the work, so every version of SQLite finds the same.
CREATE VIRTUAL TABLE found_words USING fts5(words, content='texts', content_rowid='model_id', tokenize='ascii', prefix='1 2 3', columnsize=0);
CREATE VIRTUAL TABLE found_names USING fts5(names, content='texts', content_rowid='model_id', tokenize='ascii', columnsize=0);
CREATE TRIGGER texts_new AFTER INSERT ON texts BEGIN
    INSERT INTO found_words (rowid, words) VALUES (new.model_id, new.words);
    INSERT INTO found_names (rowid, names) VALUES (new.model_id, new.names);
END;
CREATE TRIGGER texts_gone AFTER DELETE ON texts BEGIN
    INSERT INTO found_words (found_words, rowid, words) VALUES ('delete', old.model_id, old.words);
    INSERT INTO found_names (found_names, rowid, names) VALUES ('delete', old.model_id, old.names);
END;
CREATE TRIGGER texts_words AFTER UPDATE OF words ON texts WHEN old.words <> new.words BEGIN
    INSERT INTO found_words (found_words, rowid, words) VALUES ('delete', old.model_id, old.words);
    INSERT INTO found_words (rowid, words) VALUES (new.model_id, new.words);
END;
CREATE TRIGGER texts_names AFTER UPDATE OF names ON texts WHEN old.names <> new.names BEGIN
    INSERT INTO found_names (found_names, rowid, names) VALUES ('delete', old.model_id, old.names);
    INSERT INTO found_names (rowid, names) VALUES (new.model_id, new.names);
END;
INSERT INTO found_words (found_words) VALUES ('rebuild');
INSERT INTO found_names (found_names) VALUES ('rebuild');   -- also rows without a name are counted

ALTER TABLE versions ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN base_model TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN published TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN early_access TEXT NOT NULL DEFAULT '';   -- its end, ISO 8601 UTC; 'permanent'; '' = everybody's

CREATE TABLE bases (model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE, base TEXT NOT NULL COLLATE NOCASE, PRIMARY KEY (base, model_id))
    WITHOUT ROWID;
CREATE INDEX bases_by_model ON bases (model_id);
INSERT OR IGNORE INTO bases
    SELECT m.id, j.value FROM models m, json_each(CASE WHEN json_valid(m.base_models) THEN m.base_models ELSE '[]' END) j WHERE j.type = 'text';
CREATE TABLE tags (
    key TEXT NOT NULL,
    model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    own INTEGER NOT NULL,                -- 1: the person's, which no refresh touches
    tag TEXT NOT NULL,
    PRIMARY KEY (key, model_id, own)
) WITHOUT ROWID;
CREATE INDEX tags_by_model ON tags (model_id, own);
CREATE INDEX tags_own ON tags (key, tag) WHERE own = 1;
CREATE TABLE collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice: another page may still mean the deleted one
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    note TEXT NOT NULL DEFAULT ''
);
CREATE TABLE collection_models (
    collection_id INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    position INTEGER NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (collection_id, model_id)
) WITHOUT ROWID;
CREATE INDEX collection_models_by_model ON collection_models (model_id);
CREATE TABLE ignored_versions (version_id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE);
CREATE INDEX ignored_versions_by_model ON ignored_versions (model_id);
CREATE TABLE word_sets (                 -- trigger words as the person groups them
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    version_id INTEGER,                  -- NULL: for every version
    name TEXT NOT NULL,
    words TEXT NOT NULL,
    negative TEXT NOT NULL DEFAULT '',
    weight REAL,
    position INTEGER NOT NULL
);
CREATE INDEX word_sets_by_model ON word_sets (model_id, position);
CREATE TABLE saved_filters (key TEXT PRIMARY KEY, name TEXT NOT NULL, filters TEXT NOT NULL) WITHOUT ROWID;   -- filters: JSON

ALTER TABLE local_files RENAME TO local_files_1;
DROP INDEX local_files_by_model;
DROP INDEX local_files_by_hash;
CREATE TABLE local_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,                    -- -id is the id of the model entry of a file that is only here: never used twice
    path TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL DEFAULT '',                           -- of host.FOLDER_KINDS
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    device INTEGER NOT NULL DEFAULT 0,
    inode INTEGER NOT NULL DEFAULT 0,
    head TEXT NOT NULL DEFAULT '',                           -- a print of size and first bytes: recognises a moved file
    sha256 TEXT NOT NULL,                                    -- lower case, '' = not known
    autov3 TEXT NOT NULL DEFAULT '',
    model_id INTEGER,                                        -- negative: only here; NULL: not identified yet
    version_id INTEGER,
    file_id INTEGER,
    state TEXT NOT NULL DEFAULT 'here',                      -- here, missing, deleted (by the person, here)
    health TEXT NOT NULL DEFAULT '',                         -- '' not looked at, whole (as far as the header tells), truncated, verified, wrong
    verified REAL NOT NULL DEFAULT 0,                        -- last comparison of the full hash, seconds since 1970
    asked REAL NOT NULL DEFAULT 0,                           -- when Civitai last did not know it
    asked_times INTEGER NOT NULL DEFAULT 0,
    added TEXT NOT NULL
);
INSERT INTO local_files (path, size, mtime_ns, sha256, model_id, version_id, file_id, added)
    SELECT path, size, mtime_ns, sha256, model_id, version_id, file_id, added FROM local_files_1;
DROP TABLE local_files_1;
CREATE INDEX local_files_by_model ON local_files (model_id);
CREATE INDEX local_files_by_hash ON local_files (sha256) WHERE sha256 <> '';
CREATE INDEX local_files_by_place ON local_files (device, inode) WHERE inode <> 0;
CREATE INDEX local_files_by_head ON local_files (head) WHERE head <> '';

-- What the grid shows until the older rows are saved anew (actions/refill.py): the facts are the bits of settle.FACTS.
UPDATE models SET search = '', ordering = lower(name), level = nsfw_level,
    here = (SELECT count(*) FROM local_files f WHERE f.model_id = models.id),
    bytes = (SELECT total(f.size) FROM local_files f WHERE f.model_id = models.id);
UPDATE models SET facts = (CASE level & 31 WHEN 0 THEN 16 ELSE level & 31 END) | ((here > 0) << 5) | (gone << 11) | ((note <> '') << 12)
    | ((level & 31 = 0) << 14);

CREATE TABLE journal (                   -- what was moved, so that it can be moved back, after a restart too
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch TEXT NOT NULL,                 -- one action of a person: the id of its job
    item INTEGER NOT NULL DEFAULT 0,     -- within the batch: files that go together
    at REAL NOT NULL,
    action TEXT NOT NULL,                -- move, rename, trash, duplicates, orphans, undo
    title TEXT NOT NULL,
    how TEXT NOT NULL DEFAULT 'move',    -- move, copy, drop (a copy that equals its target), trash
    file_id INTEGER,                     -- of local_files, of a model file
    source TEXT NOT NULL,
    target TEXT NOT NULL,                -- of a file in a trash: where in it, '' when that trash does not tell
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL DEFAULT '',
    undoes INTEGER,                      -- the entry that this one takes back
    reason TEXT NOT NULL DEFAULT '',     -- why it failed
    state TEXT NOT NULL                  -- planned, done, undone, failed
);
CREATE INDEX journal_by_batch ON journal (batch, item, id);
CREATE INDEX journal_planned ON journal (id) WHERE state = 'planned';
"""

MIGRATIONS = (SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4)
"""The n-th brings ``user_version`` n-1 to n."""
