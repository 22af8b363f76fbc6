// Where a grid of ours has its items from: pages by offset, of a list whose length is known, or pages by cursor, of one that goes on.
// Both drop answers to an older question, keep what is on screen while they read anew, and rest after a failure.
//
// A source: {key, total, error, busy, item(index), cells(columns), need(first, last), reload(fresh)}. ``total``: how many there are, null when
// that is not known. ``cells``: how many cells to lay out, null when nothing was answered yet. ``changed()`` is called when there is something to draw.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.paging) { return; }

    const REST = 3000;      // after a failure
    const MOST = 400;       // pages of a list by cursor

    // ``fetchPage({offset, limit, key, signal})`` gives {items, total}; ``key()`` is what is asked for. ``arrived(items)`` is told of each page.
    function byOffset(options, changed) {
        const PAGE = options.page || 100;
        const data = {key: "", total: null, pages: new Map(), wanted: new Map(), stale: new Set(), generation: 0, rest: 0, error: "", get busy() { return data.wanted.size > 0; }};

        data.reload = function (fresh) {
            data.generation += 1;
            data.rest = 0;
            data.key = options.key();
            for (const controller of data.wanted.values()) { controller.abort(); }
            data.wanted.clear();
            if (fresh) { data.pages.clear(); data.total = null; data.stale.clear(); fetchPage(0); }
            else { data.stale = new Set(data.pages.keys()); if (!data.total) { fetchPage(0); } }
            changed();
        };

        async function fetchPage(number) {
            if (data.wanted.has(number)) { return; }
            const generation = data.generation;
            const controller = new AbortController();
            data.wanted.set(number, controller);
            try {
                const answer = await options.fetchPage({offset: number * PAGE, limit: PAGE, key: data.key, signal: controller.signal});
                if (generation !== data.generation) { return; }
                if (data.total !== null && data.total !== answer.total) { data.stale = new Set(data.pages.keys()); }
                data.total = answer.total;
                data.pages.set(number, answer.items);
                data.stale.delete(number);
                data.error = "";
                if (options.arrived) { options.arrived(answer.items); }
            } catch (error) {
                if (generation !== data.generation) { return; }
                if (data.total === null) { data.error = cm.sentence(error); }
                data.rest = performance.now() + REST;  // every drawing would ask again at once
                setTimeout(() => { if (generation === data.generation) { if (data.total === null) { fetchPage(number); } else { changed(); } } }, REST + 10);
            } finally {
                if (data.wanted.get(number) === controller) { data.wanted.delete(number); }
            }
            changed();
        }

        data.item = (index) => { const page = data.pages.get(Math.floor(index / PAGE)); return page ? page[index % PAGE] : undefined; };
        data.cells = () => data.total;
        data.need = function (first, last) {
            for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(first, last - 1) / PAGE) && data.total; page += 1) {
                if ((!data.pages.has(page) || data.stale.has(page)) && performance.now() >= data.rest) { fetchPage(page); }
            }
        };
        return data;
    }

    // ``fetchPage({cursor, key, signal, again})`` gives {items, next, later?}: ``next`` is "" at the end; ``later`` is a promise of the same page, newer,
    // or of null. ``id(item)``: the same thing on two pages is shown once. ``emptyPages``: how many pages in a row may hold nothing before one is asked
    // whether to go on. ``error``: what was thrown, null when all is well; what our own server did not answer is tried again by itself, a refusal is not.
    function byCursor(options, changed) {
        const AHEAD = options.ahead || 24;
        const EMPTY = options.emptyPages || 6;
        const id = options.id || ((item) => item.id);
        const data = {key: "", total: null, pages: [], items: [], error: null, busy: false, answered: false, ended: false, halted: false, newer: false, target: 0, generation: 0};
        let controller = null;
        let timer = null;

        data.reload = function (fresh, again) {
            data.generation += 1;
            data.key = options.key();
            stop();
            controller = new AbortController();  // one for all that belongs to this question, so that nothing of it asks on under the next
            if (fresh) { Object.assign(data, {pages: [], items: [], answered: false, total: null}); }
            Object.assign(data, {error: null, ended: false, halted: false, newer: false});
            const last = data.pages[data.pages.length - 1];
            if (last) { settle(last); } else { fetchNext(again); }
            changed();
        };
        function stop() {
            clearTimeout(timer);
            if (controller) { controller.abort(); }
            data.busy = false;
        }
        function settle(last) {
            data.ended = !last.next || data.pages.length >= MOST || data.pages.some((page) => page !== last && page.cursor === last.next) || last.cursor === last.next;
            data.total = data.ended ? data.items.length : null;
            const empty = data.pages.length - 1 - data.pages.findLastIndex((page) => page.items.length > 0);
            data.halted = !data.ended && empty >= EMPTY * (1 + data.patience);
            if (!empty) { data.patience = 0; }
        }
        data.patience = 0;
        function lay() {
            const seen = new Set();
            data.items = [];
            for (const page of data.pages) {
                for (const item of page.items) { if (!seen.has(id(item))) { seen.add(id(item)); data.items.push(item); } }
            }
        }
        function take(cursor, answer) {
            const place = data.pages.findIndex((page) => page.cursor === cursor);
            const page = Object.assign({}, answer, {cursor: cursor});
            if (place < 0) { data.pages.push(page); } else { data.pages[place] = page; }
            lay();
            settle(data.pages[data.pages.length - 1]);
            if (options.arrived) { options.arrived(answer.items); }
        }

        async function fetchNext(again) {
            if (data.busy) { return; }
            const last = data.pages[data.pages.length - 1];
            const cursor = last ? last.next : "";
            const generation = data.generation;
            const mine = controller;
            Object.assign(data, {busy: true, error: null});
            try {
                const answer = await options.fetchPage({cursor: cursor, key: data.key, signal: mine.signal, again: Boolean(again)});
                if (generation !== data.generation) { return; }
                Object.assign(data, {busy: false, answered: true});
                take(cursor, answer);
                if (answer.later) { follow(cursor, answer, generation); }
            } catch (error) {
                if (generation !== data.generation) { return; }
                Object.assign(data, {busy: false, error: error});
                if (!(error instanceof cm.Refusal && error.ours)) { timer = setTimeout(() => { if (generation === data.generation && data.error) { fetchNext(); } }, REST); }
            }
            changed();
        }
        // The same page has been read anew. What is under the eyes of a person does not move: it is only offered when more was shown meanwhile.
        async function follow(cursor, shown, generation) {
            const answer = await shown.later.catch(() => null);
            if (!answer || generation !== data.generation) { return; }
            const last = data.pages[data.pages.length - 1];
            if (last && last.cursor === cursor && !data.busy && (!options.atTop || options.atTop() || data.pages.length > 1)) { take(cursor, answer); }
            else if (JSON.stringify(answer.items.map(id)) !== JSON.stringify(shown.items.map(id))) { data.newer = true; }
            changed();
        }

        data.item = (index) => data.items[index];
        // Behind what is there, a few cells that wait, so that one sees that it goes on.
        data.cells = (columns) => !data.answered ? null : data.items.length + (data.ended || data.error || data.halted ? 0 : columns - data.items.length % columns + columns);
        data.need = function (first, last) {
            if (!data.answered || data.busy || data.ended || data.error || data.halted) { return; }
            if (data.items.length < Math.max(last + AHEAD, data.target)) { fetchNext(); }
        };
        // Asked for by the person: after a failure, or to look through further pages that hold nothing so far.
        data.retry = function () {
            clearTimeout(timer);
            if (data.halted) { data.patience += 1; data.halted = false; }
            data.error = null;
            fetchNext(true);
            changed();
        };
        return data;
    }

    cm.paging = {byOffset: byOffset, byCursor: byCursor};
})();
