// Write the times of the page, which the server writes in UTC, in the viewer's zone; the tooltip has them in UTC.
(() => {
  const digits = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const clock = new Intl.DateTimeFormat("en-GB", { ...digits, hourCycle: "h23", timeZoneName: "short" });
  if (clock.resolvedOptions().timeZone === "UTC") return;
  const written = (moment) => {
    const parts = Object.fromEntries(clock.formatToParts(moment).map((it) => [it.type, it.value]));
    return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second} ${parts.timeZoneName}`;
  };
  const write = () => {
    for (const it of document.querySelectorAll("time.wp-time:not([data-local])")) {
      const moment = new Date(it.dateTime);
      if (!Number.isNaN(moment.valueOf())) it.textContent = written(moment);
      it.dataset.local = "";
    }
  };
  write();
  new MutationObserver(write).observe(document.body, { childList: true, subtree: true });
})();
