// Translation: English sentences are the keys, localizations/LANGUAGE.json has what is shown instead; docs/languages.md tells the whole of it.
//
// ``cm.t`` translates where a text is made. What comes from the server or from older code is translated where it is shown: one observer looks at our
// nodes and replaces whole texts and attributes, exactly or by a template. In English there is no dictionary, no observer, and nothing to pay.
(function () {
    "use strict";
    const cm = (window.civitaiManager = window.civitaiManager || {});
    if (cm.words) { return; }

    const REMEMBERED = 3000;    // looked-up texts; a grid of names that nobody has marked as data must not fill the memory
    const LONGEST = 700;        // of a text that is compared with templates
    const DATA = '[translate="no"], script, style';
    const ATTRIBUTES = ["title", "aria-label", "placeholder", "alt"];
    const PLACE = /\{(\w+)\}/g;
    const WORD = /[\p{L}\p{N}]+/gu;
    const BETWEEN = /\s+·\s+/;
    const SENTENCE = /[.!?…:;] (?=["“(]?[\p{Lu}\p{N}])/gu;
    // Placeholders that hold a text of ours, which is translated too; all others hold names, paths and numbers, which are not.
    const OURS = /^(reason|what|why|message|sentence|state|told|kind|notes?|when|titles?|problem|awaits|how|said|action|scan|scanned|strerror|needs)\d*$/;
    // Several at once, each one of ours or with one of ours behind its name.
    const SEVERAL = {names: ", ", list: ", ", reasons: "; "};
    const COUNT = /^(count|number|done|total|left|size|free|milliseconds|good|bad|low|high|most|longest|longest_text|kept|gone|new|known|local|nothing)\d*$/;
    const ENGLISH_NUMBER = /^(\d{1,3}(?:,\d{3})*|\d+)(\.\d+)?( [KMGT]?B(?:\/s)?| ?%)?$/;

    let language = "en";
    let locale = "en";
    let dictionary = null;      // Map of English -> translation; null: nothing to translate
    let index = new Map();      // a word of a template -> its templates, the most telling first
    const found = new Map();    // what was looked up, with null for what is not ours
    const shown = new WeakMap();    // text node, or element -> {source, now} (an element: by attribute), so that English can be compared with English
    const watched = new Set();

    // -- numbers and values
    const digits = (value) => Number(value).toLocaleString(locale);
    // "1,284", "4.1 GB" and "37 %" as the language writes them; anything else as it is.
    function number(text) {
        const parts = ENGLISH_NUMBER.exec(text);
        if (!parts || !dictionary) { return text; }
        const places = parts[2] ? parts[2].length - 1 : 0;
        return Number(parts[1].replace(/,/g, "") + (parts[2] || "")).toLocaleString(locale, {minimumFractionDigits: places}) + (parts[3] || "");
    }
    // "3 days ago", "in 2 hours", "today": said by the language itself.
    const AGO = /^(in )?(\d+) (minute|hour|day|month|year)s?( ago)?$/;
    function relative(text) {
        if (text === "today") { return new Intl.RelativeTimeFormat(locale, {numeric: "auto"}).format(0, "day"); }
        const parts = AGO.exec(text);
        return parts && Boolean(parts[1]) !== Boolean(parts[4]) ? new Intl.RelativeTimeFormat(locale).format((parts[1] ? 1 : -1) * Number(parts[2]), parts[3]) : null;
    }
    // "a.safetensors: it is being written": the name, then the reason.
    const named = (text) => { const whole = translated(text); const at = whole === text ? text.indexOf(": ") : -1; return at < 0 ? whole : text.slice(0, at + 2) + translated(text.slice(at + 2)); };
    const date = (text) => new Date(text).toLocaleString(locale, {dateStyle: "long", timeStyle: "short"});
    const value = (name, text) => typeof text === "number" ? digits(text) : OURS.test(name) ? translated(String(text)) : SEVERAL[name] ? String(text).split(SEVERAL[name]).map(name === "reasons" ? named : translated).join(SEVERAL[name]) : COUNT.test(name) ? number(String(text)) : String(text);
    const fill = (template, values) => template.replace(PLACE, (whole, name) => values && values[name] !== undefined && values[name] !== null ? value(name, values[name]) : whole);
    const own = (text) => dictionary ? dictionary.get(text) : undefined;
    const translation = (text) => { const core = text.trim(); const made = own(core); return made ? text.replace(core, () => made) : text; };

    // A text, or a template whose {places} are filled: cm.t("Move {count} files", {count: 3}).
    cm.t = (text, values) => values ? fill(translation(text), values) : translation(text);
    // One or several: cm.tn(count, "Move {count} file", "Move {count} files"). Each is a template of its own, so that each language can have its forms.
    cm.tn = (count, one, many, values) => cm.t(count === 1 ? one : many, Object.assign({count: count}, values));

    // -- looking a shown text up
    function compile(template) {
        const names = [];
        const literal = template.replace(PLACE, " ");
        const pattern = template.split(PLACE).map((part, at) => at % 2 ? (names.push(part), "(.+?)") : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("");
        return {template: template, names: names, pattern: new RegExp("^" + pattern + "$", "su"), weight: literal.replace(/\s+/g, "").length};
    }
    // The longest word that touches no place: most texts do not have it, so few templates are tried.
    const telling = (template) => [...template.replace(PLACE, "\0").matchAll(/(?<![\p{L}\p{N}\0])[\p{L}\p{N}]+(?![\p{L}\p{N}\0])/gu)].map(([word]) => word)
        .sort((one, other) => other.length - one.length)[0];
    function learn(words) {
        dictionary = new Map(Object.entries(words).filter(([, text]) => typeof text === "string" && text));
        index = new Map();
        found.clear();
        for (const template of dictionary.keys()) {
            PLACE.lastIndex = 0;
            const word = PLACE.test(template) ? telling(template) : "";
            if (word) { index.set(word, [...(index.get(word) || []), compile(template)]); }
        }
        for (const some of index.values()) { some.sort((one, other) => other.weight - one.weight); }
    }
    function byTemplate(text) {
        let best = null;
        for (const [word] of text.matchAll(WORD)) {
            for (const one of index.get(word) || []) {
                if ((best && best.one.weight >= one.weight) || one.weight > text.length) { continue; }
                const match = one.pattern.exec(text);
                if (match) { best = {one: one, match: match}; }
            }
        }
        return best ? fill(own(best.one.template), Object.fromEntries(best.one.names.map((name, at) => [name, best.match[at + 1]]))) : null;
    }
    function join(parts, between) {
        const made = parts.map((part) => lookUp(part));
        return made.some((part) => part !== null) ? made.map((part, at) => part === null ? parts[at] : part).join(between) : null;
    }
    // Two or more sentences in one text: the first ones as long as they are known, then the rest.
    function bySentence(text) {
        const ends = [...text.matchAll(SENTENCE)].map((one) => one.index + 1);
        for (const end of ends.reverse()) {
            const first = whole(text.slice(0, end));
            if (first !== null) { const rest = text.slice(end + 1); const then = lookUp(rest); return first + " " + (then === null ? rest : then); }
        }
        return null;
    }
    // The same, when every part is known: a template that ends in a place would take the sentences behind it for its value.
    function everySentence(text) {
        for (const one of text.matchAll(SENTENCE)) {
            const first = whole(text.slice(0, one.index + 1));
            const then = first === null ? null : lookUp(text.slice(one.index + 2));
            if (then !== null) { return first + " " + then; }
        }
        return null;
    }
    const whole = (text) => own(text) || (text.length <= LONGEST ? byTemplate(text) : null);
    function search(text) {
        const known = own(text) || relative(text);
        if (known) { return known; }
        if (BETWEEN.test(text)) { const parts = join(text.split(BETWEEN), " · "); if (parts !== null) { return parts; } }
        const counted = /^(.+) \(([\d,]+)\)$/su.exec(text);
        if (counted && lookUp(counted[1]) !== null) { return lookUp(counted[1]) + " (" + number(counted[2]) + ")"; }
        return text.length > 4 * LONGEST ? null : everySentence(text) || (text.length <= LONGEST ? byTemplate(text) : null) || bySentence(text);
    }
    function lookUp(text) {
        if (!text) { return null; }
        if (!/\p{L}{3}/u.test(text) && !own(text)) { return /^\d{1,3}(,\d{3})+$| [KMGT]?B(\/s)?$/.test(text) && number(text) !== text ? number(text) : null; }
        const before = found.get(text);
        if (before !== undefined) { return before; }
        found.set(text, null);  // a template that leads back to itself ends here
        const made = search(text);
        if (found.size > REMEMBERED) { found.clear(); }
        found.set(text, made);
        return made;
    }
    function translated(text) {
        if (!dictionary) { return text; }
        const core = text.trim();
        const made = lookUp(core.includes("\n") ? core.replace(/\s+/g, " ") : core);
        return made === null ? text : text.replace(core, () => made);
    }

    // -- nodes
    function textNode(node) {
        const before = shown.get(node);
        if (before && before.now === node.data) { return; }
        const made = translated(node.data);
        if (made === node.data) { return; }
        shown.set(node, {source: node.data, now: made});
        node.data = made;  // never another node: gradio goes on writing into this one
    }
    function attribute(node, name) {
        const text = node.getAttribute(name);
        if (!text) { return; }
        const all = shown.get(node) || {};
        if (all[name] && all[name].now === text) { return; }
        const made = translated(text);
        if (made === text) { return; }
        shown.set(node, Object.assign(all, {[name]: {source: text, now: made}}));
        node.setAttribute(name, made);
    }
    function moment(node) {
        const when = node.getAttribute("datetime");
        if (Number.isNaN(Date.parse(when || ""))) { return; }
        if (node.title !== date(when)) { node.title = date(when); }
        const day = node.hasAttribute("data-cm-day") && /\((.+)\)$/.exec(node.textContent);  // "3 December 2026 (in 11 days)"
        const away = day && relative(day[1]);
        if (away && node.firstChild.nodeType === Node.TEXT_NODE) { node.firstChild.data = new Date(when).toLocaleDateString(locale, {dateStyle: "long"}) + " (" + away + ")"; }
    }
    const attributes = (node) => { for (const name of ATTRIBUTES) { if (node.hasAttribute(name)) { attribute(node, name); } } };
    function visit(root) {
        if (root.nodeType === Node.TEXT_NODE) { textNode(root); return; }
        if (root.nodeType !== Node.ELEMENT_NODE) { return; }
        if (root.localName === "textarea") { attributes(root); return; }
        if (!root.matches(DATA)) {
            if (root.localName === "time") { moment(root); } else { attributes(root); }
            if (root.hasAttribute("data-cm-mixed") && !mixed.has(root)) {  // as the server has made it
                const places = [...root.dataset.cmMixed.matchAll(PLACE)].map(([, name]) => name);
                mixed.set(root, {template: root.dataset.cmMixed, nodes: Object.fromEntries([...root.children].map((child, at) => [places[at], child]))});
            }
            if (mixed.has(root)) { mix(root); } else { for (const child of root.childNodes) { visit(child); } }
        } else if (root.getAttribute("translate") === "no" && root.firstElementChild) {
            for (const inner of root.querySelectorAll('[translate="yes"]')) { visit(inner); }
        }
    }
    // Whether a text or an attribute of this element is ours to translate.
    const open = (element) => { const near = element.closest("[translate], script, style"); return !near || (near.hasAttribute("translate") && near.getAttribute("translate") !== "no"); };

    // A text with nodes in it, in the order in which the language has them: cm.mixed("published {when}", {when: cm.moment(at)}).
    const mixed = new WeakMap();
    function mix(node) {
        const {template, nodes} = mixed.get(node);
        node.replaceChildren(...translation(template).split(PLACE).map((part, at) => at % 2 ? nodes[part] : part).filter((part) => part !== "" && part !== undefined));
        for (const child of Object.values(nodes)) { if (child instanceof Node && dictionary) { visit(child); } }
    }
    cm.mixed = function (template, nodes, attributes) {
        const node = cm.node("span", attributes);
        mixed.set(node, {template: template, nodes: nodes});
        mix(node);
        return node;
    };
    const observer = new MutationObserver((records) => {
        for (const record of records) {
            const element = record.target.nodeType === Node.ELEMENT_NODE ? record.target : record.target.parentElement;
            if (!element || !element.isConnected || !open(element)) { continue; }
            if (record.type === "attributes") { if (element.localName !== "time") { attribute(element, record.attributeName); } }
            else if (element.localName === "textarea") { continue; }
            else if (record.type === "characterData") { textNode(record.target); }
            else if (!mixed.has(element)) { for (const node of record.addedNodes) { if (node.parentNode === element) { visit(node); } } }
        }
        observer.takeRecords();  // what was changed here needs no second look
    });
    const SEEN = {childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES};
    function look(node) { observer.observe(node, SEEN); if (open(node)) { visit(node); } }

    // What is said in English of what a node shows now: to compare with what it is to show.
    const before = (node, text, name) => { const kept = dictionary && shown.get(node); const one = kept && (name ? kept[name] : kept); return one && one.now === text ? one.source : text; };
    cm.words = {
        get language() { return language; },
        get locale() { return locale; },
        get active() { return dictionary !== null; },
        of: translated,
        // The English text of an element that holds one text, and of an attribute.
        // A moment, and how far away it is, as the language says it.
        date: date,
        text: (node) => { const only = node.firstChild; return dictionary && only && only === node.lastChild && only.nodeType === Node.TEXT_NODE ? before(only, only.data) : node.textContent; },
        attribute: (node, name) => before(node, node.getAttribute(name), name),
        // From now on everything in this node that is not marked with translate="no" is translated: our root, and what we add to the host's pages.
        watch: (node) => { if (!watched.has(node)) { watched.add(node); if (dictionary) { look(node); } } },
        use: (told) => {
            language = told.language || "en";
            locale = told.locale || "en";
            if (!told.words || !Object.keys(told.words).length) { return; }
            learn(told.words);
            for (const node of watched) { if (node.isConnected) { look(node); } else { watched.delete(node); } }
            cm.emit("language", language);
        },
        load: async function () {
            const wanted = (navigator.languages || [navigator.language || "en"]).slice(0, 8).join(",");
            try {
                const answer = await fetch(cm.base() + "words?languages=" + encodeURIComponent(wanted), {credentials: "same-origin"});
                if (answer.ok) { cm.words.use(await answer.json()); }
            } catch (error) { /* English until the page is loaded again */ }
        },
    };
})();
