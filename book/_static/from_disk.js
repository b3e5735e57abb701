// A page opened from a disk: there a browser shows a notebook instead of saving it, unless it comes from a script.
"use strict";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[download][href$='.ipynb']");
  if (location.protocol !== "file:" || !link) return;
  event.preventDefault();
  window.saveNotebook = (text) => {
    const file = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
    Object.assign(document.createElement("a"), { href: file, download: link.href.split("/").pop() }).click();
  };
  document.head.append(Object.assign(document.createElement("script"), { src: `${link.href}.js` }));
});
