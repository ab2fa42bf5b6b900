/** Two jails a and b with an interface each, node nic, that a collapsed pair of wormholes joins; and one on the host. */
export const TWO_JAILS = `
for j in a b; do
  jail -c name=$j vnet persist && printf 'mkpeer eiface e ether\\nname .:e nic\\n' | ngctl -j $j -f -
done
ngctl -f - <<EOF
mkpeer wormhole wa evthorizon
mkpeer wormhole wb evthorizon
msg wa open "a"
msg wb open "b"
connect wa.jid=1 nic: evthorizon ether
connect wb.jid=2 nic: evthorizon ether
name wa toa
name wb tob
rmhook wa
rmhook wb
connect toa: tob: evthorizon evthorizon
mkpeer eiface e ether
EOF
`;

/** Gives those interfaces the addresses 192.0.2.1 and 192.0.2.2, and tries them. */
export const ADDRESSES = `
ip -n a addr add 192.0.2.1/24 dev ngeth0; ip -n a link set ngeth0 up
ip -n b addr add 192.0.2.2/24 dev ngeth0; ip -n b link set ngeth0 up
ip netns exec a ping -c 1 -W 2 192.0.2.2 >/dev/null`;
