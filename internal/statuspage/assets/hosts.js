// Hosts are what a terminal can be opened to: the SSH servers in the caller's tree.

function* walk(nodes, owner, demanding, path) {
  for (const node of nodes) {
    if (node.type === "organization") yield* walk(node.entries, node.name, node.requireConnectionReason, []);
    else if (node.type === "folder") yield* walk(node.entries, owner, demanding, [...path, node.name]);
    else if (node.type === "server" && node.protocol === "ssh") {
      yield {id: node.id, name: node.name, label: [...path, node.ip ? `${node.name} (${node.ip})` : node.name].join(" / "), owner, demanding, identities: node.identities};
    }
  }
}

export function hostsOf(tree) {
  const byLabel = new Intl.Collator([], {numeric: true, sensitivity: "base"});
  return [...walk(tree, "Personal", false, [])].sort((a, b) => byLabel.compare(a.label, b.label));
}
