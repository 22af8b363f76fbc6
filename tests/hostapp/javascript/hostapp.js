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
