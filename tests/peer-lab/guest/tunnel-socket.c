/*
 * tunnel-socket: sockets that Linux wants a process to hold as long as a tunnel lives.
 *
 *   tunnel-socket espinudp PORT
 *	ESP in UDP (RFC 3948) on a port.
 *   tunnel-socket pppol2tp LOCAL REMOTE TUNNEL PEER-TUNNEL SESSION PEER-SESSION [seq]
 *	A PPP interface on an L2TPv2 session (RFC 2661) over UDP port 1701, without LCP and without
 *	control messages; `seq` sends sequence numbers, whatever the peer does.
 *
 * It returns when the tunnel is up, and a child of it stays.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if_pppol2tp.h>
#include <linux/if_pppox.h>
#include <linux/ppp-ioctl.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#define SOL_PPPOL2TP 273

static struct sockaddr_in endpoint(const char *address, const char *port)
{
	struct sockaddr_in end = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, address, &end.sin_addr) != 1)
		errx(1, "no IPv4 address: %s", address);
	return end;
}

static int udp(struct sockaddr_in local)
{
	int yes = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&local, sizeof(local)))
		err(1, "udp");
	return fd;
}

static void espinudp(const char *port)
{
	int type = UDP_ENCAP_ESPINUDP;

	if (setsockopt(udp(endpoint("0.0.0.0", port)), SOL_UDP, UDP_ENCAP, &type, sizeof(type)))
		err(1, "UDP_ENCAP");
}

/* A socket for a session, or with no session for the tunnel itself. */
static int l2tp(int udp_fd, struct sockaddr_in remote, char **ids, int with_session)
{
	union {
		struct sockaddr_pppol2tp l2tp;
		struct sockaddr any;
	} end = { .l2tp = {
		.sa_family = AF_PPPOX,
		.sa_protocol = PX_PROTO_OL2TP,
		.pppol2tp = {
			.fd = udp_fd,
			.addr = remote,
			.s_tunnel = atoi(ids[0]),
			.d_tunnel = atoi(ids[1]),
			.s_session = with_session ? atoi(ids[2]) : 0,
			.d_session = with_session ? atoi(ids[3]) : 0,
		},
	} };
	int fd = socket(AF_PPPOX, SOCK_DGRAM, PX_PROTO_OL2TP);

	if (fd < 0 || connect(fd, &end.any, sizeof(end.l2tp)))
		err(1, "pppol2tp");
	return fd;
}

static void pppol2tp(char **words)
{
	struct sockaddr_in local = endpoint(words[0], "1701"), remote = endpoint(words[1], "1701");
	int udp_fd = udp(local), channel, unit = -1, yes = 1, session, ppp, link;
	int sequence = words[6] && !strcmp(words[6], "seq");

	if (connect(udp_fd, (struct sockaddr *)&remote, sizeof(remote)))
		err(1, "connect");
	l2tp(udp_fd, remote, words + 2, 0);
	session = l2tp(udp_fd, remote, words + 2, 1);
	/* An LNS decides by itself about sequence numbers; a LAC would follow its peer. */
	if (setsockopt(session, SOL_PPPOL2TP, PPPOL2TP_SO_LNSMODE, &yes, sizeof(yes)) ||
	    setsockopt(session, SOL_PPPOL2TP, PPPOL2TP_SO_SENDSEQ, &sequence, sizeof(sequence)))
		err(1, "L2TP session");
	link = open("/dev/ppp", O_RDWR);
	ppp = open("/dev/ppp", O_RDWR);
	if (link < 0 || ppp < 0)
		err(1, "/dev/ppp");
	if (ioctl(session, PPPIOCGCHAN, &channel) || ioctl(link, PPPIOCATTCHAN, &channel) ||
	    ioctl(ppp, PPPIOCNEWUNIT, &unit) || ioctl(link, PPPIOCCONNECT, &unit))
		err(1, "PPP unit");
}

int main(int count, char **words)
{
	if (count == 3 && !strcmp(words[1], "espinudp"))
		espinudp(words[2]);
	else if (count >= 8 && !strcmp(words[1], "pppol2tp"))
		pppol2tp(words + 2);
	else
		errx(2, "usage: see the head of tunnel-socket.c");
	if (daemon(0, 0))
		err(1, "daemon");
	for (;;)
		pause();
}
