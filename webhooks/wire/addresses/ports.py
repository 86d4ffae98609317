"""List the ports that may not be called: those on which services other than web servers are usual.

A mail server, a database or a debugger may act on an HTTP request. All ports below 1024 but 443 (and 80 where http is
allowed) belong to such services; these are the known ones from 1024 up.
"""

DEFAULT_PORTS = {"https": 443, "http": 80}

# Those from 1024 upwards of the "bad ports" every browser refuses: WHATWG Fetch, section "port blocking".
BAD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080}
)

SERVICE_PORTS = frozenset(
    {
        *(1080, 3128),  # SOCKS, HTTP proxies
        *(1099, 3389, 5985, 5986, *range(5900, 5910)),  # RMI, RDP, WinRM, VNC
        *(1433, 1434, 1521, 1522, 3050, 3306, 33060, 5432, 5433, 6432, 50000),  # SQL databases
        *(5984, 6379, 6380, 16379, 26379, 7474, 7687, 8086, 11210, 11211),  # other stores
        *(7000, 7001, 7199, 9042, 9160, 9200, 9300, *range(27017, 27020), 28015, 28017),  # clustered stores
        *(1883, 8883, 4222, 4369, 5671, 5672, 9092, 15672, 25672, 61613, 61616),  # brokers
        *(2181, 2379, 2380, 8200, 8300, 8301, 8302, 8500, 8501, 8600),  # coordination, secrets
        *(2375, 2376, 2377, 6443, 10250, 10255, 10256),  # container engines, Kubernetes
        *(3690, 8125, 9418, 50070),  # Subversion, statsd, git, Hadoop
    }
)


def is_service(port: int) -> bool:
    """Return whether this port from 1024 up is usual for a service that is not a web server."""
    return port in BAD_PORTS or port in SERVICE_PORTS
