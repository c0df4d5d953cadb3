"""What the settings mean for the core and for aria2's options."""

from __future__ import annotations

import math

from reactor.aria2.options import TransferPolicy
from reactor.core.context import Limits
from reactor.core.quotas import MIB, Quotas
from reactor.core.retry import RetryPolicy
from reactor.core.stalls import KIB
from reactor.core.turns import Caps
from reactor.core.widths import FEW
from reactor.hours import speed, speed_windows
from reactor.net.session import user_agent_of
from reactor.server_address import ServerAddress
from reactor.settings import Settings

SERVER_TIMEOUT_MAX_S = 60.0


def limits_of(settings: Settings) -> Limits:
    """Those of the core."""
    share = _share(settings)
    return Limits(
        concurrent=settings.max_concurrent_downloads,
        slow_max=settings.slow_max,
        slow_speed=min(settings.slow_kib * KIB, share),
        slice_s=settings.slice,
        parts=settings.max_concurrent_parts,
        progress_interval_s=settings.progress_interval,
        seeding=settings.seed_ratio > 0,
        stall_timeout_s=settings.stall_timeout_s,
        torrent_stall_timeout_s=settings.torrent_stall_timeout_s,
        partial_torrents=settings.partial_torrents,
        min_speed=min(settings.min_speed_kib * KIB, share),
        retry=RetryPolicy(settings.max_download_retries, settings.retry_base_delay, settings.retry_max_delay_s),
        quotas=Quotas(
            max_file_size=settings.max_file_size_mib * MIB,
            min_free_disk=settings.min_free_disk_mib * MIB,
            max_parts=settings.max_parts,
            download_timeout_s=settings.download_timeout_s,
        ),
        caps=caps_of(settings),
        playlist_max=settings.playlist_max,
        choosing_max_s=settings.choosing_max_s,
        jars=settings.cookies_by_host or settings.operator_cookies is not None,
        connections=settings.connections_per_server,
        embedded=settings.aria2c_rpc_url is None,
        leased=isinstance(settings.download_db, ServerAddress),
    )


def caps_of(settings: Settings) -> Caps:
    """What one owner and one site may have."""
    return Caps(
        owner_max=settings.owner_max,
        owner_rows_day=settings.owner_rows_day,
        owner_bytes_day=settings.owner_mib_day * MIB,
        owner_waiting_max=settings.owner_waiting_max,
        site_max=_site_max(settings),
    )


def _site_max(settings: Settings) -> int:
    """Where there are no more slots than that nobody has to look."""
    return settings.host_max if settings.host_max < settings.max_concurrent_downloads + settings.slow_max else 0


def _share(settings: Settings) -> float:
    """Bytes/s of which no download can be blamed that it has no more: half of its part of the least that all of them
    together are ever allowed."""
    limits = (speed(settings.speed_limit), *(limit for _, limit in speed_windows(settings.speed_windows)))
    least = min((limit for limit in limits if limit), default=math.inf)
    return least / (2 * (settings.max_concurrent_downloads + settings.slow_max))


def transfer_policy_of(settings: Settings) -> TransferPolicy:
    """What every transfer is added with."""
    timeout_s = min(settings.stall_timeout_s or SERVER_TIMEOUT_MAX_S, SERVER_TIMEOUT_MAX_S)
    return TransferPolicy(
        connections_per_server=min(FEW, settings.connections_per_server),
        user_agent=user_agent_of(settings.user_agent),
        seed_ratio=settings.seed_ratio,
        timeout_s=max(1.0, timeout_s),
        connect_timeout_s=max(1.0, min(settings.http_timeout_s, timeout_s)),
    )
