// <waypost-portal link="https://.../portal/open/.../"></waypost-portal>: the portal inside a page of yours.
//
// `link` is the `url` of a new portal link, or `source` is a URL of your own server that responds {"url": "..."}; it is
// asked with the cookies of your site when the element is shown. `title` names the frame for screen readers. The frame
// is as high as its content. The event `waypost-portal-load` is dispatched when a page of the portal has loaded.
class WaypostPortal extends HTMLElement {
  static observedAttributes = ["link", "source"];

  connectedCallback() {
    this.style.display = "block";
    this.frame = document.createElement("iframe");
    this.frame.title = this.getAttribute("title") || "Webhooks";
    this.frame.allow = "clipboard-write";
    Object.assign(this.frame.style, { width: "100%", height: "40rem", border: "0" });
    this.frame.addEventListener("load", () => this.dispatchEvent(new Event("waypost-portal-load")));
    this.onMessage = (event) => {
      const height = event.source === this.frame.contentWindow && event.data?.waypostPortalHeight;
      if (Number.isFinite(height)) this.frame.style.height = `${Math.min(Math.max(height, 200), 20000)}px`;
    };
    addEventListener("message", this.onMessage);
    this.replaceChildren(this.frame);
    this.open();
  }

  disconnectedCallback() {
    removeEventListener("message", this.onMessage);
  }

  attributeChangedCallback() {
    if (this.frame) this.open();
  }

  async open() {
    const source = this.getAttribute("source");
    let link = this.getAttribute("link");
    if (!link && source) {
      const response = await fetch(source, { method: "POST", credentials: "same-origin" });
      if (!response.ok) throw new Error(`${source} responded ${response.status}`);
      link = (await response.json()).url;
    }
    if (link && /^https?:/.test(link)) this.frame.src = link;
  }
}

customElements.define("waypost-portal", WaypostPortal);
