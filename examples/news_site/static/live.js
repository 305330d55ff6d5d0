// The ticker goes on by itself where scripts run. Without them the page shows what there was when it was opened.
"use strict";

const lines = document.getElementById("live-lines");
const state = document.getElementById("live-state");
const socket = new WebSocket(location.href.replace(/^http/, "ws"));

socket.addEventListener("open", () => { state.textContent = "Connected. New lines appear at the top."; });
socket.addEventListener("close", () => { state.textContent = "Not connected. Reload the page for news."; });
socket.addEventListener("message", (event) => {
  const item = document.createElement("li");
  item.textContent = JSON.parse(event.data).line;
  lines.prepend(item);
  while (lines.children.length > 12) lines.lastElementChild.remove();
});
