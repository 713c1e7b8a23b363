// Asking before something is changed, and changing it with the token.
// SPDX-License-Identifier: Apache-2.0

const byId = (id) => document.getElementById(id);

let token = null;

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

export async function askToken() {
  const field = byId("token");
  field.value = "";
  const sent = await ask(byId("token-dialog"), byId("token-form"), byId("token-cancel"));
  if (sent) token = field.value.trim();
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

async function send(path, body) {
  // What is no visible ASCII cannot be in a header, and no token either.
  if (!/^[\x21-\x7e]+$/.test(token)) return { status: 401, text: "the token is missing or wrong" };
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Authorization": "Bearer " + token, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const reply = await answer.json();
  return { status: answer.status, text: reply.error || "", changed: reply.changed };
}

// Does it; says what became of it; true if it was done.
export async function act(path, body, done) {
  if (token === null && !(await askToken())) return false;
  try {
    const reply = await send(path, body);
    if (reply.status === 401) token = null;
    if (reply.status === 200) tell(done(reply.changed));
    else tell("Refused: " + reply.text + ".", true);
    return reply.status === 200;
  } catch (error) {
    tell("The server does not answer.", true);
    return false;
  }
}
