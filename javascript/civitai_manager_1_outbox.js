// The outbox: what a person starts is never lost to the connection. A request of ours that does not reach the server is kept, sent again after
// the next successful poll, for as long as the page lives, and gradio never hears of the failure: it would show an error, or (6.7 and later) load
// the whole page anew. Sending twice is harmless: a press carries its ticket. Events of the host pass untouched.
//
// This wraps window.fetch when the script is loaded, because gradio 3 remembers fetch when its own module is evaluated.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.outbox) { return; }

    const PATIENCE = 30000;     // an event of ours answers in less than a second; a host that loads a checkpoint may take longer
    const LONGEST = 120000;
    const STARTING = 20000;     // how long "busy" or "not found" may only mean that the server is still being built
    const GONE = {error: "What you pressed does not exist any more: the server was restarted with another page. Reload the page and press it again."};

    class NotReached extends Error {}
    const fetchIt = window.fetch;
    const entries = [];         // {attempt, key, acts, saved, tries, flying, heard, waiting: [{resolve, reject}]}, oldest first
    const held = new Set();     // what a person started and the server has not answered, as ``saved`` tells it: remembered over a reload of the page
    let flushing = false;

    // ``acts``: a person started something, so its number is told; what only shows something is not worth a word.
    cm.outbox = {entries: entries, count: () => entries.filter((entry) => entry.acts).length};

    // People paste download links with their key in them; the server drops it from a link anyway, and it is not to lie here.
    const SECRET = /([?&](?:token|api[_-]?key)=)[^\s&#"'<>\\]+/gi;
    const note = () => cm.remember("outbox", JSON.parse(JSON.stringify([...held]).replace(SECRET, "$1...")));
    function hold(entry) { if (entry.saved) { held.add(entry.saved); note(); } }
    function release(entry) { if (held.delete(entry.saved)) { note(); } }

    // What was started, without the ticket (gradio's events have it last) and the page: equal for two presses of the same.
    const alike = ({path, event, body}) => JSON.stringify(path ? [path, Object.assign({}, body, {ticket: ""})] : [event, body.data.slice(0, -1)]);

    const lost = () => Boolean(cm.connection) && !cm.connection.ok;

    // ``attempt(entry)`` sends once; it throws NotReached when the server was not reached. Of entries with the same ``key`` only the last is sent.
    // ``early()``: what the asker is told when its request is kept, instead of waiting; ``late(answer)`` then gets the answer. Without it nothing is kept.
    const made = (attempt, options) => Object.assign({attempt: attempt, key: "", acts: true, saved: null, tries: 0, flying: false, heard: 0, waiting: []}, options);
    async function deliver(attempt, options) {
        const entry = made(attempt, options);
        hold(entry);
        if (!entries.length && !lost()) {
            try {
                const answer = await once(entry);
                release(entry);
                return answer;
            } catch (error) {
                if (!(error instanceof NotReached)) { release(entry); throw error; }
            }
        }
        return new Promise((resolve, reject) => {
            if (entry.early) {
                resolve(entry.early());
                if (!entry.late) { return; }
                entry.waiting.push({resolve: entry.late, reject: () => {}});
            } else {
                entry.waiting.push({resolve: resolve, reject: reject});
            }
            const same = entry.saved && entries.find((one) => one.saved && alike(one.saved) === alike(entry.saved));
            if (same) {  // pressed again, because nothing seemed to happen: one press, one job
                release(entry);
                same.waiting.push(...entry.waiting);
                return;
            }
            const earlier = entry.key ? entries.findIndex((one) => one.key === entry.key && !one.flying) : -1;
            if (earlier >= 0) { entry.waiting.unshift(...entries.splice(earlier, 1)[0].waiting); }
            entries.push(entry);
            cm.emit("outbox");
            if (cm.poll) { cm.poll(); }  // it may be back already
        });
    }
    function once(entry) { entry.tries += 1; return entry.attempt(entry); }

    // After a successful poll: everything, in the order in which it was started, until one does not arrive.
    cm.outbox.flush = async function () {
        if (flushing) { return; }
        flushing = true;
        try {
            while (entries.length) {
                const entry = entries[0];
                let settle = null;
                entry.flying = true;
                try {
                    const answer = await once(entry);
                    settle = (one) => one.resolve(answer instanceof Response ? answer.clone() : answer);
                } catch (error) {
                    if (error instanceof NotReached) { break; }
                    settle = (one) => one.reject(error);
                } finally {
                    entry.flying = false;
                }
                entries.splice(entries.indexOf(entry), 1);
                release(entry);
                entry.waiting.forEach(settle);
                cm.emit("outbox");
                cm.hurry();
            }
        } finally {
            flushing = false;
        }
    };

    const starting = (entry) => { entry.heard = entry.heard || Date.now(); return Date.now() - entry.heard < STARTING; };
    const unreached = (status, entry) => status === 401 || status > 500 || ([404, 405].includes(status) && starting(entry));

    // -- our own routes
    function failed(error, entry) {
        if (!(error instanceof cm.Refusal)) { return true; }  // no connection, or no answer in time
        if (error.ours) { return error.told.code === "busy" && starting(entry); }
        return error.status === 200 || unreached(error.status, entry);  // 200: an answer that was cut off
    }
    const posting = (path, body) => async function (entry) {
        try {
            return await cm.postOnce(path, body);
        } catch (error) {
            if (failed(error, entry)) { throw new NotReached(); }
            // "There is nothing to pause": the first one did arrive, only its answer did not.
            if (entry.tries > 1 && /^jobs\//.test(path) && error.ours && error.status < 500) { return {ok: true}; }
            throw error;
        }
    };
    cm.post = (path, body) => deliver(posting(path, body), {saved: body && body.ticket ? {path: path, body: body} : null});

    // -- events of gradio: which are ours, by the page's own description of itself
    function describe(config) {
        const parts = new Map((config.components || []).map((part) => [part.id, part]));
        const name = (id) => { const part = parts.get(id); return part ? (part.props && part.props.elem_id) || part.type : ""; };
        const within = new Set();
        const collect = (node) => { within.add(node.id); (node.children || []).forEach(collect); };
        const find = (node) => { if (name(node.id) === "civitai_manager") { collect(node); } else { (node.children || []).forEach(find); } };
        if (config.layout) { find(config.layout); }
        const [ours, times] = [new Map(), new Map()];
        (config.dependencies || []).forEach((one, position) => {
            const targets = (one.targets || []).map((target) => Array.isArray(target) ? target : [target, one.trigger]);
            const outputs = one.outputs || [];
            const places = outputs.length ? outputs : targets.map((target) => target[0]);
            // What is sent into the host's tabs fills fields of the host, but is pressed on a button of ours.
            const sends = targets.length > 0 && targets.every(([id]) => within.has(id) && /^cm_send_/.test(name(id)));
            if (!sends && (!places.length || !places.every((id) => within.has(id)))) { return; }
            const inputs = (one.inputs || []).map(name);
            const signature = JSON.stringify([targets.map(([id, event]) => [name(id), event]), inputs, outputs.map(name)]);
            times.set(signature, (times.get(signature) || 0) + 1);
            const shows = !targets.length || one.trigger === "load" || inputs.includes("cm_choice") || targets.some((target) => target[1] === "load");
            ours.set(one.id === undefined ? position : one.id, {name: signature + times.get(signature), outputs: outputs.map(name), shows: shows,
                starts: inputs.includes("cm_ticket"), chooses: targets.some(([id]) => name(id) === "cm_choice")});
        });
        return ours;
    }

    // As this page was built, by number; and as the server that runs now is: after a restart with another extension the same number may be
    // an event of somebody else.
    let built = null;
    let server = {boot: "", events: null};
    async function read() {
        const controller = new AbortController();
        const timer = setTimeout(() => controller.abort(), PATIENCE);  // a line that is silent and not broken must not hold up the outbox for ever
        try {
            const options = {credentials: "same-origin", cache: "no-store", signal: controller.signal};
            const answer = await fetchIt.call(window, cm.base().replace(/civitai-manager\/$/, "config"), options);
            if (!answer.ok) { throw new NotReached(); }
            return describe(await answer.json());
        } finally {
            clearTimeout(timer);
        }
    }
    async function known() {
        const config = window.gradio_config;
        if (!built) { built = config && config.dependencies ? describe(config) : await read().catch(() => null); }
        return built || new Map();
    }
    async function numberNow(number) {
        const {boot, first} = cm.pollState;
        if (boot === first) { return number; }
        if (server.boot !== boot) { server = {boot: boot, events: await read()}; }
        for (const [other, event] of server.events) { if (event.name === built.get(number).name) { return other; } }
        return -1;
    }

    function ask(request, body, event) {
        const [address, init] = request;
        const outer = init.signal;
        return async function (entry) {
            const controller = new AbortController();
            const stop = () => controller.abort();
            if (outer) { if (outer.aborted) { stop(); } else { outer.addEventListener("abort", stop, {once: true}); } }
            const timer = setTimeout(stop, Math.min(LONGEST, PATIENCE * entry.tries));
            let answer;
            let text;
            try {
                const number = await numberNow(body.fn_index);
                if (number < 0) { show(JSON.stringify(GONE)); return json(GONE, 500); }
                const sent = number === body.fn_index ? init.body : JSON.stringify(Object.assign({}, body, {fn_index: number}));
                answer = await fetchIt.call(window, address, Object.assign({}, init, {body: sent, signal: controller.signal}));
                text = await answer.text();  // whole: gradio must not meet an answer that is cut off
            } catch (error) {
                if (outer && outer.aborted) { throw error; }
                throw new NotReached();
            } finally {
                clearTimeout(timer);
            }
            if (unreached(answer.status, entry)) { throw new NotReached(); }
            if (answer.status === 500) { show(text); }
            else if (entry.waiting.length && !entry.early && event.outputs.includes("cm_links")) { keepTyped(body.data[0]); }
            return new Response(text, {status: answer.status, statusText: answer.statusText, headers: {"Content-Type": answer.headers.get("Content-Type") || "application/json"}});
        };
    }
    const json = (value, status) => new Response(JSON.stringify(value), {status: status, headers: {"Content-Type": "application/json"}});
    const version = () => Number(String((window.gradio_config && window.gradio_config.version) || "0").split(".")[0]);

    // gradio 3 ignores a press while the answer to the one before has not come. So it is told at once that nothing changes, and the answer is shown
    // here when it comes. A choice in the grid needs not even that: the panel asks again.
    function unblocked(event, body) {
        if (version() > 3 || !(event.starts || event.chooses)) { return {}; }
        return {early: () => json({data: event.outputs.map(() => ({__type__: "update"})), is_generating: false, duration: 0, average_duration: 0}, 200),
            late: event.starts ? (answer) => late(event, body, answer) : null};
    }
    async function late(event, body, answer) {
        const told = await answer.json().catch(() => ({}));
        if (answer.status !== 200) { cm.say(told.error || cm.t("The server answered {status}.", {status: String(answer.status)})); return; }
        event.outputs.forEach((name, index) => {
            const value = (told.data || [])[index];
            const place = document.getElementById(name);
            if (name === "cm_links") {
                const field = place && place.querySelector("textarea, input");
                if (field && field.value === body.data[0] && value && value.value === "") { type(field, ""); }
            } else if (place && typeof value === "string" && (name !== "cm_progress" || String(body.data[0]).split(":")[0] === String(cm.chosenModel()))) {
                const job = new DOMParser().parseFromString(value, "text/html").querySelector("[data-cm-job]");  // read only, so that no text becomes markup
                if (!job) { return; }
                const line = cm.node("p", {class: "cm-line", role: "status"}, cm.node("span", {"data-cm-job": job.dataset.cmJob}, job.textContent));
                (place.querySelector(".prose") || place).replaceChildren(cm.node("div", {"data-cm-late": "1"}, line));
            }
        });
        cm.drawBound();
    }
    function type(field, text) {
        field.value = text;
        field.dispatchEvent(new Event("input", {bubbles: true}));
    }

    // gradio 5 and 6 show the sentence of a refusal only for queued events, and ours are not queued: it is shown when gradio itself shows none.
    function show(text) {
        if (version() < 5) { return; }
        let told = null;
        try { told = JSON.parse(text).error; } catch (error) { return; }
        if (typeof told === "string") { setTimeout(() => { if (!document.querySelector(".toast-body")) { cm.say(told); } }, 300); }
    }

    // A kept registration empties the box when it arrives at last; what was typed there meanwhile stays.
    function keepTyped(sent) {
        const field = document.querySelector("#cm_links textarea, #cm_links input");
        const typed = field ? field.value : "";
        if (!typed || typed === sent) { return; }
        setTimeout(() => { if (!field.value) { type(field, typed); } }, 200);
    }

    window.fetch = async function (...request) {
        const [address, init] = request;
        const post = init && String(init.method).toUpperCase() === "POST" && typeof init.body === "string";
        if (!post || !/\/run\/predict\/?(\?|$)/.test(String(address))) { return fetchIt.apply(this, request); }
        let body = null;
        try { body = JSON.parse(init.body); } catch (error) { body = null; }
        const event = body && Number.isInteger(body.fn_index) ? (await known()).get(body.fn_index) : null;
        if (!event) { return fetchIt.apply(this, request); }
        const key = event.shows ? "event " + body.fn_index : "";
        const saved = event.starts ? {address: new URL(String(address), window.location.href).href, event: event.name, body: body} : null;
        return deliver(ask(request, body, event), Object.assign({key: key, acts: !event.shows, saved: saved}, unblocked(event, body)));
    };

    // The page was loaded anew before the server had answered: what was started then is sent by this one, with the same ticket. Its job appears in the
    // tray, and only a refusal has to be told.
    function again(saved) {
        const refused = {resolve: async (answer) => { if (answer instanceof Response && answer.status !== 200) { cm.say((await answer.json().catch(() => ({}))).error || "It was refused."); } },
            reject: (error) => cm.say(cm.sentence(error))};
        const attempt = saved.path ? posting(saved.path, saved.body) : async function (entry) {
            const event = [...(await known())].find(([, one]) => one.name === saved.event);
            if (!event) { return json(GONE, 500); }
            const body = Object.assign({}, saved.body, {fn_index: event[0]});
            const init = {method: "POST", headers: {"Content-Type": "application/json"}, credentials: "same-origin", body: JSON.stringify(body)};
            return ask([saved.address, init], body, event[1])(entry);
        };
        const entry = made(attempt, {saved: saved, waiting: [refused]});
        hold(entry);
        entries.push(entry);
    }
    const before = cm.recall("outbox", []);
    if (Array.isArray(before)) { before.filter((saved) => saved && saved.body).forEach(again); }
})();
