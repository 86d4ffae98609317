import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0003_usage_hour'),
    ]

    operations = [
        migrations.CreateModel(
            name='CountedHour',
            fields=[
                ('begins_at', models.DateTimeField(primary_key=True, serialize=False)),
                ('passes', models.PositiveSmallIntegerField(default=0, help_text='How often it was counted.')),
                ('due_at', models.DateTimeField(help_text='When it is counted next.')),
                ('after', models.UUIDField(help_text='The last tenant that is counted; empty: none yet.', null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('passes__lt', 2)), fields=['due_at'], name='delivery_hour_to_count')],
            },
        ),
        migrations.CreateModel(
            name='DeliveryHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope_id', models.UUIDField(help_text='The endpoint or the subscription.')),
                ('tenant_id', models.UUIDField()),
                ('begins_at', models.DateTimeField()),
                ('matched', models.BigIntegerField(help_text='Events that deliveries were created of.')),
                ('created', models.BigIntegerField(help_text='Deliveries created.')),
                ('attempts', models.BigIntegerField(help_text='Attempts of these deliveries.')),
                ('retries', models.BigIntegerField(help_text='Attempts after the first of each delivery.')),
                ('throttled', models.BigIntegerField(help_text='Attempts that the endpoint throttled, such as with 429.')),
                ('failed', models.BigIntegerField(help_text='Attempts that failed.')),
                ('delivered', models.BigIntegerField(help_text='Deliveries that are delivered.')),
                ('dead', models.BigIntegerField(help_text='Deliveries that failed permanently.')),
                ('first_attempts', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='Histogram from creation to the first attempt; bounds: delivery_hours.BOUNDS.', size=None)),
                ('deliveries', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='The same, to the end of the first that delivered.', size=None)),
            ],
            options={
                'indexes': [models.Index(fields=['begins_at', 'tenant_id'], name='delivery_hour_by_hour')],
                'constraints': [models.UniqueConstraint(fields=('scope_id', 'begins_at'), name='unique_delivery_hour_per_scope')],
            },
        ),
    ]
