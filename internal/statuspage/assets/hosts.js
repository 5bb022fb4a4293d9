// Hosts are what a terminal can be opened to: the SSH and Telnet servers in the caller's
// tree. Telnet hosts ask for a login themselves.

export const isTerminal = protocol => protocol === "ssh" || protocol === "telnet";

function* walk(nodes, owner, demanding, path) {
  for (const node of nodes) {
    if (node.type === "organization") yield* walk(node.entries, node.name, node.requireConnectionReason, []);
    else if (node.type === "folder") yield* walk(node.entries, owner, demanding, [...path, node.name]);
    else if (node.type === "server" && isTerminal(node.protocol)) {
      const telnet = node.protocol === "telnet";
      const address = [node.ip, telnet ? "Telnet" : ""].filter(Boolean).join(", ");
      const label = [...path, address ? `${node.name} (${address})` : node.name].join(" / ");
      yield {id: node.id, name: node.name, label, owner, demanding, telnet, identities: node.identities};
    }
  }
}

export function hostsOf(tree) {
  const byLabel = new Intl.Collator([], {numeric: true, sensitivity: "base"});
  return [...walk(tree, "Personal", false, [])].sort((a, b) => byLabel.compare(a.label, b.label));
}
