// Store the browser's time zone in a cookie, so that the server draws charts in it; reload once when it changes.
(() => {
  const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  const wanted = `waypost_zone=${zone}`;
  if (document.cookie.split("; ").includes(wanted)) return;
  document.cookie = `${wanted}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  if (document.cookie.split("; ").includes(wanted)) location.reload();
})();
