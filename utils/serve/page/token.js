// Asking before something is changed, and changing it with the token.
// SPDX-License-Identifier: Apache-2.0

const byId = (id) => document.getElementById(id);

// Kept in this page's memory only.
let readToken = null, actToken = null;
let readerActs = true; // until the server says that the token to read is none for actions

// Shows a dialog; true if its form was sent, false if it was left.
function ask(dialog, form, cancel) {
  return new Promise((resolve) => {
    let sent = false;
    form.onsubmit = (event) => {
      event.preventDefault();
      sent = true;
      dialog.close();
    };
    cancel.onclick = () => dialog.close();
    dialog.onclose = () => resolve(sent);
    dialog.showModal();
  });
}

const WHY = {
  read: "This server shows its queues to those who have a token: the one to read, or the one for actions.",
  act: "To change queues takes the token for actions, which was given to workq serve with --token-file or WORKQ_TOKEN.",
};

// what: "read" or "act"
export async function askToken(what) {
  const field = byId("token");
  field.value = "";
  byId("token-why").textContent = WHY[what];
  const sent = await ask(byId("token-dialog"), byId("token-form"), byId("token-cancel"));
  if (sent && what === "read") [readToken, readerActs] = [field.value.trim(), true];
  else if (sent) actToken = field.value.trim();
  field.value = "";
  return sent;
}

export function confirmed(text, yes) {
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  return ask(byId("confirm-dialog"), byId("confirm-form"), byId("confirm-cancel"));
}

export function tell(text, bad) {
  const message = byId("message");
  message.hidden = text === "";
  message.classList.toggle("bad", Boolean(bad));
  message.textContent = text;
}

// What is no visible ASCII cannot be in a header, and no token either.
function authorization(token) {
  return token !== null && /^[\x21-\x7e]+$/.test(token) ? { "Authorization": "Bearer " + token } : {};
}

// Asks for JSON.  Paths are relative, so that they lead through a proxy as the page did.
export async function get(path) {
  const token = readToken ?? actToken;
  const answer = await fetch(path, { signal: AbortSignal.timeout(8000), headers: authorization(token) });
  return { status: answer.status, body: await answer.json() };
}

export function forgetReadToken() {
  const had = readToken !== null;
  readToken = null;
  return had;
}

async function send(path, token, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { ...authorization(token), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

// The answer; null if it is refused, or there is none, which is said.
async function sendWithToken(path, body) {
  const isReader = actToken === null && readerActs && readToken !== null;
  if (actToken === null && !isReader && !(await askToken("act"))) return null;
  const reply = await send(path, isReader ? readToken : actToken, body);
  if (reply.status === 200) return reply.body;
  if (reply.status === 401 && isReader) {
    readerActs = false;
    return sendWithToken(path, body);
  }
  if (reply.status === 401) actToken = null;
  tell(`Refused: ${reply.body.error}.` + (reply.body.changed > 0 ? ` ${reply.body.changed} keys were changed before.` : ""), true);
  return null;
}

export async function post(path, body) {
  try {
    return await sendWithToken(path, body);
  } catch (error) {
    tell("The server does not answer.", true);
    return null;
  }
}

// Does it; says what became of it; true if it was done.
export async function act(path, body, done) {
  const reply = await post(path, body);
  if (reply !== null) tell(done(reply.changed));
  return reply !== null;
}
