"""The catalog's third and fourth version: Civitai's answers, what is followed, pictures and their data, recipes, trainers' names."""

from __future__ import annotations

SCHEMA_3 = """
-- the first example video of a model, for its card
CREATE TABLE videos (
    model_id INTEGER PRIMARY KEY REFERENCES models ON DELETE CASCADE,
    url TEXT NOT NULL,                   -- of a small variant
    level INTEGER NOT NULL               -- NSFW bit, 0 = unrated
);
UPDATE models SET settled = 0 WHERE id > 0;   -- found in the bodies that are kept (actions/refill.py)

-- Civitai's answers, kept so that they are shown at once
CREATE TABLE answers (                   -- one page of a search
    search TEXT NOT NULL,                -- a print of what was asked for
    cursor TEXT NOT NULL,                -- '' the first page
    following TEXT NOT NULL,             -- the cursor of the next page, '' none
    cards TEXT NOT NULL,                 -- JSON: what the grid shows of each model
    seen INTEGER NOT NULL,               -- how many models Civitai sent, before those were left out that were not asked for
    asked REAL NOT NULL,                 -- seconds since 1970
    used REAL NOT NULL,
    PRIMARY KEY (search, cursor)
);
CREATE INDEX answers_by_use ON answers (used);
CREATE TABLE answered (                  -- models out of answers, registered or not
    model_id INTEGER PRIMARY KEY,
    body BLOB NOT NULL,                  -- zlib of JSON
    whole INTEGER NOT NULL,              -- 0: versions or pictures are missing, because of what was asked for
    asked REAL NOT NULL,
    bytes INTEGER NOT NULL
);
CREATE INDEX answered_by_age ON answered (asked, bytes);
CREATE TABLE told (name TEXT PRIMARY KEY, value TEXT NOT NULL, asked REAL NOT NULL) WITHOUT ROWID;   -- Civitai's lists of words; value: JSON

-- followed creators and searches
CREATE TABLE follows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,            -- a print of the search, so that one is followed once
    name TEXT NOT NULL,
    search TEXT NOT NULL,                -- JSON
    since TEXT NOT NULL,                 -- what was published later is new: ISO 8601 UTC
    known TEXT NOT NULL DEFAULT '[]',    -- ids of models already told, JSON
    news TEXT NOT NULL DEFAULT '[]',     -- ids of models that were new at the last look and that nobody has looked at
    looked REAL NOT NULL DEFAULT 0       -- the last look, seconds since 1970
);

-- generation data of pictures, and pictures kept for offline
CREATE TABLE kept_pictures (
    url TEXT PRIMARY KEY,                -- as Civitai gave it
    model_id INTEGER NOT NULL,
    version_id INTEGER NOT NULL,
    position INTEGER NOT NULL,           -- among the pictures of its version
    picture TEXT NOT NULL,               -- JSON, as the page gets it
    name TEXT NOT NULL UNIQUE,           -- of its file, below the folder of examples
    kind TEXT NOT NULL,                  -- MIME type
    size INTEGER NOT NULL,               -- bytes on the disk
    kept REAL NOT NULL,                  -- seconds since 1970
    used REAL NOT NULL                   -- when it was last looked at
) WITHOUT ROWID;
CREATE INDEX kept_pictures_by_version ON kept_pictures (version_id, position);
CREATE INDEX kept_pictures_by_model ON kept_pictures (model_id);
CREATE INDEX kept_pictures_by_use ON kept_pictures (used);
CREATE TABLE generation_data (
    picture TEXT PRIMARY KEY,            -- the UUID in its address, else the address, else 'id:' and its number
    state TEXT NOT NULL,                 -- found, none (nobody knows)
    data BLOB NOT NULL,                  -- zlib, JSON as the page gets it
    checked REAL NOT NULL                -- seconds since 1970
);
CREATE TABLE told_versions (             -- what Civitai has said of versions whose models need not be registered
    version_id INTEGER PRIMARY KEY,
    model_id INTEGER NOT NULL,           -- 0: Civitai does not know it
    model TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    checked REAL NOT NULL
);
CREATE TABLE told_hashes (
    hash TEXT PRIMARY KEY,               -- lower hex of 64, 12, 10 or 8 digits
    version_id INTEGER NOT NULL,         -- 0: Civitai does not know it
    checked REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX local_files_by_tensors ON local_files (autov3) WHERE autov3 <> '';

-- recipes
CREATE TABLE recipes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice: another page may still mean the deleted one
    uid TEXT NOT NULL UNIQUE,               -- the same recipe on every machine, 32 hexadecimal digits
    name TEXT NOT NULL,
    ordering TEXT NOT NULL DEFAULT '',      -- the name, as it is sorted
    prompt TEXT NOT NULL DEFAULT '',
    negative TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    collection TEXT NOT NULL DEFAULT '',
    collection_key TEXT NOT NULL DEFAULT '',
    favourite INTEGER NOT NULL DEFAULT 0,
    level INTEGER NOT NULL DEFAULT 0,       -- NSFW bits of its picture, 0 = not rated
    picture TEXT NOT NULL DEFAULT '',       -- file name of the original, made of its content; '' = none
    width INTEGER NOT NULL DEFAULT 0,       -- pixels of the original
    height INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL DEFAULT '{}',      -- JSON: recipe.Source
    fingerprint TEXT NOT NULL DEFAULT '',   -- equal recipes have equal ones
    created REAL NOT NULL,                  -- seconds since 1970
    changed REAL NOT NULL,
    used REAL NOT NULL DEFAULT 0,           -- last time that it was sent to be generated
    deleted REAL NOT NULL DEFAULT 0         -- since when it is in the trash; 0 = it is not
);
CREATE INDEX recipes_by_fingerprint ON recipes (fingerprint);
CREATE TABLE recipe_parameters (
    recipe_id INTEGER NOT NULL REFERENCES recipes ON DELETE CASCADE,
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (recipe_id, key)
) WITHOUT ROWID;
CREATE TABLE recipe_models (                -- what it names, registered here or not
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipe_id INTEGER NOT NULL REFERENCES recipes ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    weight REAL,
    hash TEXT NOT NULL DEFAULT '',
    version_id INTEGER NOT NULL DEFAULT 0,
    model_id INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX recipe_models_by_recipe ON recipe_models (recipe_id, position);
CREATE TABLE recipe_tags (
    key TEXT NOT NULL,
    recipe_id INTEGER NOT NULL REFERENCES recipes ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (key, recipe_id)
) WITHOUT ROWID;
CREATE INDEX recipe_tags_by_recipe ON recipe_tags (recipe_id);
CREATE TABLE recipe_history (               -- what a recipe was before each change, the latest of them
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipe_id INTEGER NOT NULL REFERENCES recipes ON DELETE CASCADE,
    at REAL NOT NULL,                       -- of the change
    what TEXT NOT NULL,                     -- JSON list: the fields that it changed
    sitting TEXT NOT NULL DEFAULT '',       -- one person typing into one field: one entry
    picture TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL                     -- JSON: recipe.Recipe
);
CREATE INDEX recipe_history_by_recipe ON recipe_history (recipe_id, id);
CREATE TABLE recipe_texts (
    recipe_id INTEGER PRIMARY KEY REFERENCES recipes ON DELETE CASCADE,
    words TEXT NOT NULL DEFAULT '',         -- as texts.words
    names TEXT NOT NULL DEFAULT ''          -- as texts.names
);
CREATE VIRTUAL TABLE recipe_words
    USING fts5(words, content='recipe_texts', content_rowid='recipe_id', tokenize='ascii', prefix='1 2 3', columnsize=0);
CREATE VIRTUAL TABLE recipe_names USING fts5(names, content='recipe_texts', content_rowid='recipe_id', tokenize='ascii', columnsize=0);
CREATE TRIGGER recipe_texts_new AFTER INSERT ON recipe_texts BEGIN
    INSERT INTO recipe_words (rowid, words) VALUES (new.recipe_id, new.words);
    INSERT INTO recipe_names (rowid, names) VALUES (new.recipe_id, new.names);
END;
CREATE TRIGGER recipe_texts_gone AFTER DELETE ON recipe_texts BEGIN
    INSERT INTO recipe_words (recipe_words, rowid, words) VALUES ('delete', old.recipe_id, old.words);
    INSERT INTO recipe_names (recipe_names, rowid, names) VALUES ('delete', old.recipe_id, old.names);
END;
CREATE TRIGGER recipe_texts_words AFTER UPDATE OF words ON recipe_texts WHEN old.words <> new.words BEGIN
    INSERT INTO recipe_words (recipe_words, rowid, words) VALUES ('delete', old.recipe_id, old.words);
    INSERT INTO recipe_words (rowid, words) VALUES (new.recipe_id, new.words);
END;
CREATE TRIGGER recipe_texts_names AFTER UPDATE OF names ON recipe_texts WHEN old.names <> new.names BEGIN
    INSERT INTO recipe_names (recipe_names, rowid, names) VALUES ('delete', old.recipe_id, old.names);
    INSERT INTO recipe_names (rowid, names) VALUES (new.recipe_id, new.names);
END;

"""

SCHEMA_4 = """
ALTER TABLE local_files ADD COLUMN alias TEXT NOT NULL DEFAULT '';   -- the name that its trainer gave a network, by which the WebUI knows it too
UPDATE local_files SET head = '' WHERE kind IN ('lora', 'lycoris');  -- the next scan looks at them once more
"""
