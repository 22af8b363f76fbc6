// The health view: look at the disk, what there is in numbers, what is not well, copies, leftovers, the trash, and what was done and can be undone.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.health) { return; }

    const LISTED = 12;
    let shown = false;
    let busy = false;
    let stale = false;

    const action = (text, act, extra) => cm.node("button", Object.assign({type: "button", class: "cm-action", onclick: act}, extra || {}), text);
    const section = (title, ...rest) => cm.node("section", {class: "cm-part", "aria-label": title}, cm.node("h3", {}, title), ...rest);
    const path = (text) => cm.node("span", {class: "cm-path", title: text, translate: "no"}, text);
    const list = (name, ...rows) => cm.node("ul", {class: "cm-list " + (name || "")}, ...rows);

    // -- looking at the disk
    const toldScan = cm.node("p", {class: "cm-refused", role: "status"});
    const scan = action("Scan my folders", () => start(scan, "scan"), {class: "cm-action cm-primary"});
    const verify = action("Check all files", () => start(verify, "verify"), {title: "Reads every byte and compares it with what was recorded and published; this may take long"});
    const start = (button, what) => cm.press(button, toldScan, () => cm.post(what, {ticket: cm.ticket()}));
    cm.scan = () => { cm.show("health"); scan.click(); };
    const looking = section("Your folders", cm.node("p", {class: "cm-quiet"},
        "A scan finds what is new, moved or gone; what it knows already is not read again. A check reads every byte and may take long. Both can be paused in the tray."),
        cm.node("div", {class: "cm-row"}, scan, verify), toldScan, cm.jobLine(["scan"], renew), cm.jobLine(["verify"], renew));

    // -- in numbers
    const numbers = cm.node("div", {class: "cm-numbers"});
    function tile(value, name, query, note) {
        const inner = [cm.node("b", {}, value), cm.node("span", {}, name), note ? cm.node("small", {}, note) : null];
        return query ? cm.node("button", {type: "button", class: "cm-tile", title: "Show them in the library", onclick: () => cm.lookFor(query)}, ...inner)
            : cm.node("div", {class: "cm-tile"}, ...inner);
    }
    function tiles(told) {
        const few = (one, query, name, unit) => tile(cm.count(one[unit || "files"]), name, one[unit || "files"] ? query : "", one.bytes ? cm.size(one.bytes) : "");
        return cm.node("div", {class: "cm-tiles"},
            tile(cm.count(told.models), cm.t("models in the library")), tile(cm.count(told.total.files), "files here", "is:downloaded", cm.size(told.total.bytes)),
            tile(cm.count(told.updates.available), "with updates", told.updates.available ? "is:update" : ""), few(told.broken, "is:broken", cm.t("broken")),
            few(told.missing, "is:missing", cm.t("missing")), few(told.unknown, "is:local", "not on Civitai"), few(told.gone, "is:gone", "gone from Civitai", "models"),
            tile(cm.count(told.duplicates.groups), "files with copies", "", told.duplicates.wasted ? cm.t("{size} wasted", {size: cm.size(told.duplicates.wasted)}) : ""));
    }
    // Rows of name, bar and numbers: the longest bar is the biggest of them.
    function ranking(title, rows, most) {
        if (!rows.length) { return null; }
        const biggest = Math.max(...rows.map((row) => row.bytes), 1);
        const some = rows.slice(0, most || LISTED);
        const rest = rows.slice(some.length);
        const drawn = some.map((row) => cm.node("li", {class: "cm-rank"},
            row.query ? cm.node("button", {type: "button", class: "cm-link cm-rank-name", title: row.title || row.name, translate: "no", onclick: row.query}, row.name) :
                cm.node("span", {class: "cm-rank-name", title: row.title || row.name, translate: "no"}, row.name),
            cm.bars([[row.bytes / biggest, "ours"]], cm.t("{name}: {size}", {name: row.name, size: cm.size(row.bytes)}), true),
            cm.node("span", {class: "cm-rank-number"}, cm.size(row.bytes) + (row.files ? " · " + cm.tn(row.files, "{count} file", "{count} files") : ""))));
        if (rest.length) { drawn.push(cm.node("li", {class: "cm-quiet"}, cm.t("and {count} more with {size}", {count: rest.length, size: cm.size(rest.reduce((sum, row) => sum + row.bytes, 0))}))); }
        return section(title, list("", ...drawn));
    }
    function drives(found) {
        if (!found.length) { return null; }
        const rows = found.map((drive) => {
            const known = drive.size !== null && drive.free !== null;
            const other = known ? Math.max(0, drive.size - drive.free - drive.bytes) : 0;
            const words = known ? cm.t("{size} models, {size2} other, {size3} free", {size: cm.size(drive.bytes), size2: cm.size(other), size3: cm.size(drive.free)}) :
                cm.t("{size} models; this drive is not there now", {size: cm.size(drive.bytes)});
            return cm.node("li", {class: "cm-drive"}, path(drive.place), known ? cm.bars([[drive.bytes / drive.size, "ours"], [other / drive.size, "other"]], words) : null, cm.node("span", {class: "cm-quiet"}, words));
        });
        return section("By drive", list("", ...rows), cm.node("p", {class: "cm-quiet"}, "Filled: models. Hatched: everything else. Empty: free."));
    }
    // One column a month: what there was in all at its end.
    function growth(months) {
        if (!months.length) { return null; }
        const [some, most] = [months.slice(-36), Math.max(...months.map((one) => one.bytes_then), 1)];
        const wide = 100 / some.length;
        const last = some[some.length - 1];
        const told = some.length === 1 ? cm.t("{size} since {month}", {size: cm.size(last.bytes_then), month: last.month}) :
            cm.t("From {size} at the end of {month} to {size2} now", {size: cm.size(some[0].bytes_then), month: some[0].month, size2: cm.size(last.bytes_then)});
        const drawn = cm.svg("svg", {class: "cm-growth", role: "img", "aria-label": told, width: "100%", height: 120});
        some.forEach((one, place) => {
            const high = 100 * one.bytes_then / most;
            drawn.append(cm.svg("rect", {x: place * wide + "%", y: 100 - high + "%", width: Math.min(wide * .8, 12) + "%", height: high + "%", class: "cm-share-ours", fill: "currentColor"},
                cm.svg("title", {}, cm.tn(one.files_then, "{month}: {size} in {count} file; {size2} of it new", "{month}: {size} in {count} files; {size2} of them new",
                    {month: one.month, size: cm.size(one.bytes_then), size2: cm.size(one.bytes)}))));
        });
        const table = cm.node("table", {class: "cm-table"}, cm.node("tbody", {}, ...some.slice().reverse().map((one) =>
            cm.node("tr", {}, cm.node("th", {scope: "row"}, one.month), cm.node("td", {}, "+" + cm.size(one.bytes)), cm.node("td", {}, cm.size(one.bytes_then)), cm.node("td", {}, cm.tn(one.files_then, "{count} file", "{count} files"))))));
        return section("Growth", drawn, cm.node("p", {class: "cm-ends"}, some.length > 1 ? cm.node("span", {}, some[0].month) : null, cm.node("span", {}, told), some.length > 1 ? cm.node("span", {}, last.month) : null),
            cm.node("details", {}, cm.node("summary", {}, "As numbers"), table));
    }
    function wrong(told) {
        const lists = [[told.broken, cm.t("Broken"), "is:broken", cm.t("They are truncated, or not the bytes that they should be.")],
            [told.missing, cm.t("Missing"), "is:missing", cm.t("They were here once; what you said of them is kept.")],
            [told.unknown, cm.t("Not on Civitai"), "is:local", !told.not_asked ? cm.t("They are only here.") :
                cm.tn(told.not_asked, "{count} of them was not asked about yet.", "{count} of them were not asked about yet.")],
            [told.gone, cm.t("Gone from Civitai"), "is:gone", cm.t("They are deleted or hidden there; what is known of them is kept.")]];
        const much = (one) => one.files !== undefined && !one.models ? cm.tn(one.files, "{count} file", "{count} files") : cm.tn(one.models, "{count} model", "{count} models");
        const made = lists.filter(([one]) => (one.files || one.models) > 0).map(([one, name, query, what]) => cm.node("details", {class: "cm-wrong", "data-list": query},
            cm.node("summary", {}, name + ": " + much(one) + (one.bytes ? ", " + cm.size(one.bytes) : "")),
            cm.node("p", {class: "cm-quiet"}, what),
            list("", ...one.items.slice(0, LISTED).map((item) => cm.node("li", {}, item.model_id ? cm.node("button", {type: "button", class: "cm-link cm-path", translate: "no", onclick: () => cm.choose(item.model_id)}, item.path || item.name) : path(item.path || item.name),
                cm.node("span", {class: "cm-quiet"}, [cm.size(item.size === undefined ? item.bytes : item.size), {truncated: cm.t("truncated"), wrong: cm.t("wrong bytes")}[item.health]].filter(Boolean).join(" · "))))),
            action("Show them in the library", () => cm.lookFor(query))));
        return section("What is not well", ...(made.length ? made : [cm.node("p", {class: "cm-quiet"}, "Nothing: no file is known to be broken, missing or gone.")]));
    }
    function drawNumbers(told) {
        const biggest = told.biggest.map((one) => ({name: one.name || one.path.split(/[\\/]/).pop(), title: one.path, bytes: one.size, query: one.model_id ? () => cm.choose(one.model_id) : null}));
        const kinds = (rows, field) => rows.map((row) => ({name: row.name || cm.t("Not known"), bytes: row.bytes, files: row.files, query: row.name ? () => cm.lookFor(field + ':"' + row.name + '"') : null}));
        const unused = told.unused && told.unused.recorded ? ranking("Not used for half a year", told.unused.items.map((one) => ({name: one.name, bytes: one.bytes, files: one.files, query: () => cm.choose(one.model_id)}))) : null;
        const open = new Set([...numbers.querySelectorAll("details[open]")].map((one) => one.dataset.list || ""));
        numbers.replaceChildren(...[section("In numbers", tiles(told)), wrong(told), cm.node("div", {class: "cm-columns"}, ranking("By type", kinds(told.types, "type")),
            ranking("By base model", kinds(told.bases, "base")), drives(told.drives), growth(told.growth), ranking("Biggest", biggest, 10), unused)].filter(Boolean));
        for (const one of numbers.querySelectorAll("details")) { one.open = open.has(one.dataset.list || ""); }
    }

    // -- plans: exactly the files that a press would move are listed first, and the button says how many and how much
    function planner(title, words, ask, choose) {
        const told = cm.node("p", {class: "cm-refused", role: "status"});
        const place = cm.node("div", {class: "cm-plan"});
        const look = action("Look for them", () => make());
        let plan = null;
        const make = () => cm.press(look, told, async () => { plan = await ask(); draw(); return plan; });
        function draw() {
            const drawn = plan;  // what is on screen is what is sent, whatever was asked for since
            const good = plan.groups.filter((group) => !group.problem);
            const bad = plan.groups.filter((group) => group.problem);
            const files = good.flatMap((group) => group.files);
            const go = action(cm.tn(files.length, "Move {count} file ({size}) to the trash", "Move {count} files ({size}) to the trash", {size: cm.size(drawn.bytes)}), () => carry(), {class: "cm-action cm-danger"});
            const carry = () => cm.press(go, told, async () => {
                const sent = {action: drawn.action, request: drawn.request, groups: good.map((group) => ({key: group.key, check: group.check, name: group.name, problem: ""})), ticket: cm.ticket()};
                const answer = await cm.post("organise", sent);
                place.replaceChildren(cm.node("p", {class: "cm-line"}, cm.node("span", {"data-cm-job": answer.job}, "Moving them to the trash…")));
                return answer;
            });
            place.replaceChildren(...[choose ? choose(drawn, make) : null, files.length ? cm.node("p", {}, "These go to the trash, and nothing else:") : cm.node("p", {class: "cm-quiet"}, "There is nothing to tidy up."),
                files.length ? list("cm-files", ...files.map((one) => cm.node("li", {}, path(one.from), cm.node("span", {class: "cm-quiet"}, cm.size(one.size))))) : null,
                bad.length ? cm.node("p", {}, "These stay:") : null,
                bad.length ? list("", ...bad.map((group) => cm.node("li", {}, path(group.name), cm.node("span", {class: "cm-quiet"}, group.problem)))) : null,
                files.length ? cm.node("div", {class: "cm-row"}, go) : null].filter(Boolean));
        }
        cm.on("jobs", (news) => { if (shown && plan && news.ended.some((job) => ["organise", "undo", "scan"].includes(job.kind))) { plan = null; setTimeout(() => { if (!plan) { place.replaceChildren(); } }, 4000); } });
        return section(title, cm.node("p", {class: "cm-quiet"}, words), cm.node("div", {class: "cm-row"}, look), told, place);
    }
    // Which copy stays: the one that the WebUI loads, unless the person says otherwise.
    const keep = {};
    function copies(plan, make) {
        return cm.node("div", {class: "cm-sets"}, ...(plan.sets || []).map((set) => cm.node("fieldset", {class: "cm-set"},
            cm.node("legend", {}, cm.t("Which of {count} copies ({size} each) stays?", {count: set.copies.length, size: cm.size(set.size)})),
            ...set.copies.map((copy) => {
                const radio = cm.node("input", {type: "radio", name: "cm_keep_" + set.sha256, value: copy.id, onchange: async () => {
                    keep[set.sha256] = copy.id;
                    await make();
                    const again = document.querySelector('input[name="cm_keep_' + set.sha256 + '"]:checked');  // it was drawn anew
                    if (again) { again.focus(); }
                }});
                radio.checked = copy.id === set.keep;
                return cm.node("label", {class: "cm-copy"}, radio, path(copy.path), copy.id === set.loaded ? cm.node("small", {}, "the WebUI loads this one") : null);
            }))));
    }
    const duplicates = planner("Copies", "Files with equal bytes. One of each stays; before the others go, every byte is compared again.", () => {
        return cm.post("plans/duplicates", {keep: keep});
    }, copies);
    const orphans = planner("Leftovers", "Small files whose model is not there any more, and unfinished downloads that nobody goes on with.", () => cm.post("plans/orphans", {}));

    // -- trash and journal
    const trash = cm.node("div");
    const journal = cm.node("div");
    const toldTrash = cm.node("p", {class: "cm-refused", role: "status"});
    function drawTrash(files) {
        const give = (button, ids) => cm.press(button, toldTrash, () => cm.post("restore", {ids: ids, ticket: cm.ticket()}));
        const back = files.filter((one) => one.restorable);
        trash.replaceChildren(...(files.length ? [list("", ...files.slice(0, 100).map((one) => {
            const button = action("Restore", () => give(button, [one.id]), {"aria-label": cm.t("Restore {name}", {name: one.name})});
            return cm.node("li", {}, path(one.path), cm.node("span", {class: "cm-quiet"}, cm.size(one.size), " · ", cm.moment(one.at), one.note ? " · " + one.note : ""), one.restorable ? button : null);
        })), files.length > 100 ? cm.node("p", {class: "cm-quiet"}, cm.t("and {count} more", {count: files.length - 100})) : null,
        back.length > 1 ? cm.node("div", {class: "cm-row"}, action(cm.tn(back.length, "Restore {count} file", "Restore all {count} files"), (event) => give(event.currentTarget, back.map((one) => one.id)))) : null].filter(Boolean)
            : [cm.node("p", {class: "cm-quiet"}, "Nothing that was deleted here is in the trash.")]));
    }
    function drawJournal(batches) {
        journal.replaceChildren(batches.length ? list("", ...batches.slice(0, 30).map((one) => {
            const button = action("Undo", () => cm.press(button, toldTrash, () => cm.post("undo", {batch: one.batch, ticket: cm.ticket()})), {"aria-label": cm.t("Undo: {what}", {what: one.title})});
            const state = [one.undone ? cm.t("{count} taken back", {count: one.undone}) : "", one.failed ? cm.t("{count} failed", {count: one.failed}) : "",
                one.planned ? cm.t("{count} not finished", {count: one.planned}) : ""].filter(Boolean).join(" · ");
            return cm.node("li", {}, cm.node("span", {class: "cm-path"}, one.title), cm.node("span", {class: "cm-quiet"}, cm.tn(one.files, "{count} file", "{count} files") + " · " + cm.size(one.bytes) + " · ", cm.moment(one.at), state ? " · " + state : ""),
                one.done && one.action !== "undo" ? button : null);
        })) : cm.node("p", {class: "cm-quiet"}, "Nothing was moved, renamed or deleted yet."));
    }

    const failed = cm.node("p", {class: "cm-warning", hidden: true});
    cm.health = cm.node("div", {class: "cm-health cm-page-view"}, looking, failed, numbers, duplicates, orphans,
        section("Trash", cm.jobLine(["organise", "undo", "finish_moves"], renew), toldTrash, trash), section("What was done", journal));

    async function read() {
        if (!shown) { return; }
        if (busy) { stale = true; return; }
        busy = true;
        const problems = [];
        const part = async (address, draw, timeout) => { try { draw(await cm.get(address, undefined, timeout)); } catch (error) { problems.push(error); } };
        // a sleeping drive may take a while to say how much is free on it
        await Promise.all([part("statistics", drawNumbers, 30000), part("trash", (told) => drawTrash(told.files)), part("journal", (told) => drawJournal(told.batches))]);
        cm.text(failed, problems.length ? (numbers.firstChild ? cm.t("Some of this is from before.") : cm.t("Not everything can be shown now.")) + " " + cm.sentence(problems[0]) : "");
        failed.hidden = !problems.length;
        busy = false;
        if (stale) { stale = false; renew(); }
    }
    let planned = null;
    function renew() { clearTimeout(planned); planned = setTimeout(read, 500); }
    cm.on("view", (name) => { shown = name === "health"; read(); });
    cm.on("connection", (now) => { if (now.ok) { renew(); } });
    cm.on("revision", renew);
    cm.mount("health", cm.health);
})();
