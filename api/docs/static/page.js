// The filter of the side navigation, the key in the examples, and a copy button. Nothing is sent or stored.
"use strict";

const filter = document.getElementById("filter");
const rows = [...document.querySelectorAll(".side li[data-words]")];
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every((word) => row.dataset.words.includes(word));
  for (const group of document.querySelectorAll(".side li.group")) {
    let next = group.nextElementSibling;
    while (next && !next.classList.contains("group") && next.hidden) next = next.nextElementSibling;
    group.hidden = !next || next.classList.contains("group");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    filter.focus();
  }
});
for (const link of document.querySelectorAll(".side a[href^='#']")) {
  link.addEventListener("click", () => { document.getElementById("menu").checked = false; });
}

const key = document.getElementById("key");
if (key) {
  const blocks = [...document.querySelectorAll("pre code")].filter((code) => code.textContent.includes(key.placeholder));
  const texts = blocks.map((code) => code.textContent);
  key.addEventListener("input", () => {
    const told = /^[\w-]{1,100}$/.test(key.value.trim()) ? key.value.trim() : key.placeholder;
    blocks.forEach((code, index) => { code.textContent = texts[index].replaceAll(key.placeholder, told); });
  });
}

for (const block of document.querySelectorAll("pre")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  const holder = document.createElement("div");
  holder.className = "copy";
  block.replaceWith(holder);
  holder.append(block, button);
}
