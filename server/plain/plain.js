// The plain playground: one request at a time, no library, no build. Without this file the form still asks queries.
"use strict";

const form = document.getElementById("operation");
const query = document.getElementById("query");
const variables = document.getElementById("variables");
const result = document.getElementById("result");
const signOut = document.getElementById("sign-out");
const HEADERS = { "X-EdgeAtlas-CSRF": "1" };

function goToSignIn() {
  location.assign("/auth/login?next=" + encodeURIComponent(location.pathname));
}

async function run() {
  let values;
  try {
    values = JSON.parse(variables.value.trim() || "{}");
  } catch (error) {
    result.textContent = "Variables are not JSON: " + error.message;
    variables.focus();
    return;
  }
  result.textContent = "Running…";
  try {
    const reply = await fetch("/graphql", {
      method: "POST",
      credentials: "same-origin",
      headers: {
        ...HEADERS,
        Accept: "application/graphql-response+json, application/json;q=0.9",
        "Content-Type": "application/json",
      },
      body: JSON.stringify({ query: query.value, variables: values }),
    });
    if (reply.status === 401) {
      goToSignIn();
      return;
    }
    const text = await reply.text();
    try {
      result.textContent = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      result.textContent = "The server answered " + reply.status + " without JSON: " + text.slice(0, 200);
    }
  } catch {
    result.textContent = "The server cannot be reached. Check that it is running, then try again.";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});

signOut.hidden = false;
signOut.addEventListener("click", async () => {
  try {
    const reply = await fetch("/auth/logout", { method: "POST", credentials: "same-origin", headers: HEADERS });
    if (reply.ok || reply.status === 401) goToSignIn();
    else result.textContent = "The server answered " + reply.status + " to signing out; the session may still be open.";
  } catch {
    result.textContent = "The server cannot be reached; the session may still be open.";
  }
});
