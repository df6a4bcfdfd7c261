// The dialog that asks for the server's key.

const byId = (id) => document.getElementById(id);

let answer = null; // one dialog for everybody who waits for the key

/** Returns the key that somebody gives, or null; `isWrong` says that the one before was refused. */
export function askKey(isWrong) {
  answer ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    byId("key-text").textContent = isWrong
      ? "The server did not accept this key."
      : "It is kept in this page’s memory only, until you leave.";
    let key = null;
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      key = byId("key").value;
      dialog.close();
    };
    byId("key-cancel").onclick = () => dialog.close();
    dialog.onclose = () => {
      byId("key").value = "";
      answer = null;
      resolve(key);
    };
    dialog.showModal();
  });
  return answer;
}
