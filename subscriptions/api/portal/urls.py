"""Route portal links, below /api/v1/."""

from rest_framework.routers import SimpleRouter

from subscriptions.api.portal import portal_links

router = SimpleRouter(use_regex_path=False)
router.register("portal-links", portal_links.PortalLinks, "portal-link")

urlpatterns = router.urls
