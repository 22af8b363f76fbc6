// What the host's own script.js gives to extensions: gradioApp(), onUiLoaded(), onUiUpdate(), onUiTabChange(), and set_theme() from its header.
const uiLoadedCallbacks = [];
const uiUpdateCallbacks = [];
const uiTabChangeCallbacks = [];
let uiLoaded = false;
let uiCurrentTab = null;

function gradioApp() {
    const elems = document.getElementsByTagName("gradio-app");
    const elem = elems.length === 0 ? document : elems[0];
    if (elem !== document) elem.getElementById = (id) => document.getElementById(id);
    return elem.shadowRoot ? elem.shadowRoot : elem;
}
function onUiLoaded(callback) { uiLoadedCallbacks.push(callback); if (uiLoaded) callback(); }
function onUiUpdate(callback) { uiUpdateCallbacks.push(callback); }
function onAfterUiUpdate(callback) { uiUpdateCallbacks.push(callback); }
function onUiTabChange(callback) { uiTabChangeCallbacks.push(callback); }
function get_uiCurrentTab() { return gradioApp().querySelector("#tabs > .tab-nav > button.selected, #tabs button[role=tab][aria-selected=true]"); }

function set_theme(theme) {
    const url = new URL(window.location.href);
    if (!url.searchParams.has("__theme")) {
        url.searchParams.set("__theme", theme);
        window.location.replace(url);
    }
}

document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver((mutations) => {
        const safely = (callback, argument) => { try { callback(argument); } catch (error) { console.error("hostapp: error in a callback", error); } };
        if (!uiLoaded && gradioApp().querySelector("#txt2img_prompt")) {
            uiLoaded = true;
            uiLoadedCallbacks.forEach((callback) => safely(callback));
        }
        uiUpdateCallbacks.forEach((callback) => safely(callback, mutations));
        const tab = get_uiCurrentTab();
        if (tab && tab !== uiCurrentTab) {
            uiCurrentTab = tab;
            uiTabChangeCallbacks.forEach((callback) => safely(callback));
        }
    }).observe(document, { childList: true, subtree: true });
});

// What the host's ui.js and extraNetworks.js give to buttons and cards.
var opts = {};
var desiredCheckpointName = null;
function updateInput(target) {
    const event = new Event("input", { bubbles: true });
    Object.defineProperty(event, "target", { value: target });
    target.dispatchEvent(event);
}
function topTab(number) { gradioApp().querySelectorAll("#tabs button[role=tab], #tabs > .tab-nav > button")[number].click(); }
function img2imgTab(number) { topTab(1); gradioApp().getElementById("mode_img2img").querySelectorAll("button")[number].click(); }
function switch_to_txt2img() { topTab(0); return Array.from(arguments); }
function switch_to_img2img() { img2imgTab(0); return Array.from(arguments); }
function switch_to_inpaint() { img2imgTab(2); return Array.from(arguments); }
function switch_to_extras() { topTab(2); return Array.from(arguments); }
let recalculated = [];
function recalculate_prompts_txt2img() { recalculated.push("txt2img"); return Array.from(arguments); }
function recalculate_prompts_img2img() { recalculated.push("img2img"); return Array.from(arguments); }
function recalculate_prompts_inpaint() { recalculated.push("inpaint"); return Array.from(arguments); }
function selectCheckpoint(name) {
    desiredCheckpointName = name;
    gradioApp().getElementById("change_checkpoint").click();
}
function cardClicked(tabname, text, negative) {
    const add = (id, more) => {
        const area = gradioApp().querySelector("#" + id + " textarea");
        area.value = area.value.includes(more) ? area.value.replace(more, "") : area.value + opts.extra_networks_add_text_separator + more;
        updateInput(area);
    };
    add(tabname + "_prompt", text);
    if (negative) add(tabname + "_neg_prompt", negative);
}
onUiUpdate(() => {
    const field = gradioApp().querySelector("#settings_json textarea, #settings_json input");
    if (field && field.value && !Object.keys(opts).length) opts = JSON.parse(field.value);
});
