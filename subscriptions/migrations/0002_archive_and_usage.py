from django.db import migrations, models


class Migration(migrations.Migration):

    online = 'there are few subscriptions: their index is built at once'

    dependencies = [
        ('subscriptions', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='tenant',
            name='archives_events',
            field=models.BooleanField(db_default=True, default=True, help_text='Whether events are archived before retention deletes them, where the platform has an archive.'),
        ),
        migrations.RemoveIndex(
            model_name='subscription',
            name='subscription_operational',
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('active', True), ('event_types__overlap', ['waypost.*', 'waypost.alert.*', 'waypost.alert.firing', 'waypost.alert.resolved', 'waypost.delivery.*', 'waypost.delivery.dead', 'waypost.endpoint.*', 'waypost.endpoint.disabled', 'waypost.endpoint.failing', 'waypost.endpoint.recovered', 'waypost.endpoint.rejecting', 'waypost.source.*', 'waypost.source.failing', 'waypost.source.recovered', 'waypost.delivery.failed', 'waypost.delivery.succeeded', 'waypost.receipt.failed', 'waypost.receipt.processed', 'waypost.usage.hour'])), fields=['tenant'], name='subscription_operational'),
        ),
    ]
